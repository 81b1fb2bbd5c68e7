"""PostgreSQL's settings: what a ledger must have, and what makes it fast."""

from collections.abc import Mapping
from pathlib import Path

from billing.embedded.refusal import EmbeddedPostgresError
from billing.embedded.sockets import PORT

MEBIBYTE = 1 << 20
LARGEST_BUFFERS_BYTES = 1024 * MEBIBYTE
SMALLEST_BUFFERS_BYTES = 16 * MEBIBYTE
MEMORY_LIMIT_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")

# Nobody may change these: an acknowledged charge survives a power cut, the socket is the only way in.
KEPT = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_destination": "stderr",
}
OURS = frozenset({"cluster_name", "unix_socket_directories", "data_directory", "hba_file", "external_pid_file"})


def settings_with(wished: Mapping[str, str]) -> dict[str, str]:
    """The tuned settings and the caller's. Raises EmbeddedPostgresError for one that is kept."""
    wished = {name.lower(): value for name, value in wished.items()}
    if refused := sorted(wished.keys() & (KEPT.keys() | OURS)):
        raise EmbeddedPostgresError(
            f"The embedded server keeps {', '.join(refused)} as it is; leave it out, or set DATABASE_URL "
            "to a server of your own."
        )
    return _tuned(memory_bytes()) | wished | KEPT


def _tuned(memory: int) -> dict[str, str]:
    buffers = max(SMALLEST_BUFFERS_BYTES, min(memory // 4, LARGEST_BUFFERS_BYTES))
    return {
        "shared_buffers": f"{buffers // MEBIBYTE}MB",
        "effective_cache_size": f"{max(memory // 2, buffers) // MEBIBYTE}MB",
        # Checkpoints are rare, for each makes every page's next change a full page of WAL.
        "max_wal_size": "4GB",
        "min_wal_size": "512MB",
        "checkpoint_timeout": "15min",
        # The wheel has pglz only, which halves the rate.
        "wal_compression": "off",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
    }


def memory_bytes() -> int:
    """The memory that this process may use: the machine's, or less in a container with a limit."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    machine = int(fields["MemTotal"].split()[0]) * 1024
    try:
        return min(machine, int(MEMORY_LIMIT_OF_CONTAINER.read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return machine
