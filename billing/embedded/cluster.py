"""PostgreSQL's files: made once, all or nothing."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from billing.embedded.account import UnixUser
from billing.embedded.binaries import Binaries
from billing.embedded.environment import environment
from billing.embedded.postmaster import launch_command
from billing.embedded.refusal import EmbeddedPostgresError
from billing.embedded.sockets import PORT

OWNER_ROLE = "billing"
DATABASE = "billing"
PARTIAL = "cluster-partial-"
FIRST_WITH_BUILTIN_LOCALE = 17

CREATE_DATABASE_IF_ABSENT = f"""
SELECT 'CREATE DATABASE {DATABASE} ENCODING ''UTF8'''
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
"""


def major_of(cluster: Path) -> int | None:
    """The major version of PostgreSQL that made `cluster`, None where there is none yet."""
    try:
        return int((cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def clear_partial_clusters(data_dir: Path) -> None:
    """Remove what a killed first start left. The next start takes what a dying initdb is still writing."""
    for leftover in data_dir.glob(PARTIAL + "*"):
        shutil.rmtree(leftover, ignore_errors=True)


def create_cluster(cluster: Path, binaries: Binaries, account: UnixUser) -> None:
    """Make the files of a new cluster. Killed half-way it leaves nothing that looks like one.

    Raises EmbeddedPostgresError with initdb's own words.
    """
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=cluster.parent))
    if not account.is_ourselves:
        os.chown(partial, account.uid, account.gid)
    locale = ["--locale=C.UTF-8"]
    if binaries.major >= FIRST_WITH_BUILTIN_LOCALE:
        locale.append("--locale-provider=builtin")
    identity = ["-U", OWNER_ROLE, "--auth-local=trust", "--auth-host=reject"]
    run(account, binaries, "initdb", "-D", str(partial), *identity, "-E", "UTF8", *locale, "--data-checksums")
    partial.rename(cluster)
    _sync_directory(cluster.parent)


def create_database(socket_dir: Path, binaries: Binaries, account: UnixUser) -> None:
    """Create the database unless it is there. Raises EmbeddedPostgresError with psql's own words."""
    where = ["-h", str(socket_dir), "-p", str(PORT), "-U", OWNER_ROLE, "-d", "postgres"]
    how = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1"]
    run(account, binaries, "psql", *how, *where, standard_input=CREATE_DATABASE_IF_ABSENT)


def run(account: UnixUser, binaries: Binaries, program: str, *arguments: str, standard_input: str = "") -> None:
    """Run one of PostgreSQL's tools to its end. Raises EmbeddedPostgresError if it fails."""
    done = subprocess.run(
        launch_command(account, binaries.program(program), *arguments),
        input=standard_input,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=environment(),
        check=False,
    )
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"{program} failed: {done.stderr.strip() or f'status {done.returncode}'}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
