"""The machine that a run was made on: without it no figure means anything."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import asyncpg

from billing.embedded.tuning import memory_bytes

LIBRARIES = ("asyncpg", "fastapi", "granian", "pydantic", "sqlalchemy", "sqlmodel", "starlette", "uvloop")
SETTINGS = (
    "shared_buffers", "max_wal_size", "checkpoint_timeout", "wal_compression", "fsync", "synchronous_commit",
    "full_page_writes", "data_checksums", "jit", "autovacuum",
)  # fmt: skip


async def described(dsn: str, directory: Path) -> dict[str, str]:
    """Processor, memory, file system, versions and the server's settings, by name."""
    connection = await asyncpg.connect(dsn)
    try:
        server = str(await connection.fetchval("SHOW server_version"))
        settings = {name: str(await connection.fetchval(f"SHOW {name}")) for name in SETTINGS}
    finally:
        await connection.close()
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_bytes() / 2**30:.1f} GiB",
        "system": f"{_distribution()}, Linux {platform.release()}",
        "file system": _file_system(directory),
        "Python": platform.python_version(),
        "PostgreSQL": server,
        "settings": ", ".join(f"{name}={value}" for name, value in settings.items()),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _file_system(directory: Path) -> str:
    """The type of the file system that holds `directory`: on tmpfs a commit costs nothing."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        if directory.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind
