"""A PostgreSQL of the operating system's, as an administrator sets it up for somebody: see `InstalledPostgres`."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import asyncpg

from billing.embedded.account import account_for
from billing.embedded.binaries import Binaries
from billing.embedded.cluster import run
from billing.embedded.postmaster import Postmaster, launch_command
from billing.embedded.sockets import PORT
from billing.store.connection import SERVICE_ROLE
from tests.leftovers import new_directory

ADMINISTRATOR = "administrator"
OWNER = "shop"
# By the administrator, before anybody migrates: the ledger's login is no superuser and may create no roles.
PREPARED = (f"CREATE ROLE {SERVICE_ROLE} NOLOGIN", f"CREATE ROLE {OWNER} LOGIN", f"GRANT {SERVICE_ROLE} TO {OWNER}")
# What is tested is what statements mean, not what survives: that is the embedded server's part.
SETTINGS = ("fsync=off", "full_page_writes=off", "shared_buffers=128MB", "listen_addresses=")


class InstalledPostgres:
    """The server of `bin_dir` on a cluster of its own under `directory`, which goes with this process.

    Its databases belong to an ordinary login, for which the service's role was prepared. `dsn` has `EmbeddedPostgres`'s
    shape.
    """

    def __init__(self, bin_dir: Path, directory: Path) -> None:
        self._bin_dir = bin_dir
        self._cluster = directory / "cluster"
        self._log_file = directory / "server.log"
        self.socket_dir = new_directory()
        self._postmaster: Postmaster | None = None

    def dsn(self, database: str, user: str = OWNER) -> str:
        return f"postgresql://{user}@/{quote(database, safe='')}?host={quote(str(self.socket_dir))}&port={PORT}"

    def administrator_dsn(self, database: str = "postgres") -> str:
        return self.dsn(database, ADMINISTRATOR)

    def __enter__(self) -> Self:
        account = account_for(self._cluster)
        for place in (self._cluster.parent, self.socket_dir):
            place.chmod(0o777)
        binaries = Binaries(self._bin_dir, self._bin_dir.parent, "", 0)
        options = ("-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8")
        run(account, binaries, "initdb", "-D", str(self._cluster), "-U", ADMINISTRATOR, *options)
        settings = (*SETTINGS, f"unix_socket_directories={self.socket_dir}", f"port={PORT}")
        arguments = ["-D", str(self._cluster), *(word for setting in settings for word in ("-c", setting))]
        command = launch_command(account, binaries.program("postgres"), *arguments)
        self._postmaster = Postmaster(command, log_file=self._log_file, stale_pid=None)
        self._postmaster.wait_until_ready(self._cluster)
        asyncio.run(self._prepare())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._postmaster is not None
        self._postmaster.stop()
        self.socket_dir.rmdir()

    async def _prepare(self) -> None:
        connection = await asyncpg.connect(self.administrator_dsn())
        for statement in PREPARED:
            await connection.execute(statement)
        await connection.close()
