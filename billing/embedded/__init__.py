"""PostgreSQL without an installation: one private server under a data directory, owned by this process.

Under the data directory:

    owner.lock        held by the process that owns the server, and names it
    cluster/          PostgreSQL's own data: fsync on, data checksums on
    socket/           0700, the only way in; there is no TCP listener (a long path moves it, see `sockets`)
    server.log        what PostgreSQL says
    postgresql-18.6/  a copy of the binaries, only where the server's user cannot reach the installed ones

The server lives as long as its owner: `stop()` ends it, and the kernel does when the owner is killed.
It is Linux's `/proc`, `flock` and parent-death signal that make this exact; elsewhere use `DATABASE_URL`.
"""

from billing.embedded.refusal import DataDirectoryInUse, EmbeddedPostgresError
from billing.embedded.server import EmbeddedPostgres, default_data_dir

__all__ = ["DataDirectoryInUse", "EmbeddedPostgres", "EmbeddedPostgresError", "default_data_dir"]
