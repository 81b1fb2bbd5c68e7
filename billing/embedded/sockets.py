"""The private directory of the server's socket."""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from billing.embedded.account import UnixUser
from billing.embedded.refusal import EmbeddedPostgresError

PORT = 5432  # names the socket file only; nothing listens on TCP
SOCKET_NAME = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH_BYTES = 107
# What libpq, asyncpg and SQLAlchemy all take as one host: each splits at commas and colons in its own way.
PLAIN = re.compile(r"[\w./+@-]+", re.ASCII)


def digest_of(data_dir: Path) -> str:
    """Twelve hexadecimal digits that stand for `data_dir` where its path is too long or too odd."""
    return hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]


def socket_dir_for(data_dir: Path) -> Path:
    """In the data directory; when that path is too long for a socket, a private directory elsewhere."""
    elsewhere = f"billing-{os.geteuid()}-{digest_of(data_dir)}"
    choices = [data_dir / "socket"]
    # Root's runtime directory is closed to the server's user; after `su` it is another user's.
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.geteuid() != 0 and runtime.startswith("/") and os.access(runtime, os.W_OK | os.X_OK):
        choices.append(Path(runtime, elsewhere))
    return next(filter(_fits, choices), Path("/tmp", elsewhere))


def _fits(directory: Path) -> bool:
    socket = str(directory / SOCKET_NAME)
    return len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH_BYTES and PLAIN.fullmatch(socket) is not None


def prepare_socket_dir(directory: Path, account: UnixUser) -> None:
    """Make `directory` the account's alone (0700) and clear away the sockets of a killed server.

    Call it only as the owner of the data directory, while no server runs.
    Raises EmbeddedPostgresError if somebody else made the directory, as anybody could under /tmp.
    """
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    not_ours = EmbeddedPostgresError(
        f"{directory} should be our private directory, but it is somebody else's; remove it, or choose "
        "a data directory with a shorter path."
    )
    # What follows is done to the directory that was checked, whatever its name comes to mean meanwhile.
    try:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (NotADirectoryError, PermissionError):
        raise not_ours from None
    try:
        if os.fstat(opened).st_uid not in (account.uid, os.geteuid()):
            raise not_ours
        if not account.is_ourselves:
            os.fchown(opened, account.uid, account.gid)
        os.fchmod(opened, 0o700)
        for leftover in (SOCKET_NAME, SOCKET_NAME + ".lock"):
            with suppress(FileNotFoundError):
                os.unlink(leftover, dir_fd=opened)
    finally:
        os.close(opened)
