"""A run: every measurement in turn, over an empty database and over a full one."""

import gc

import uvloop
from rich.console import Console

from billing.bench import database, in_process, machine, report, stored, table
from billing.bench.measurement import Measurement
from billing.bench.options import Options
from billing.bench.posting import open_accounts
from billing.bench.progress import Progress
from billing.bench.workload import HOT, account_ids, books
from billing.embedded import EmbeddedPostgres
from billing.posting import Posting

Sections = dict[str, list[Measurement]]


def run(options: Options) -> int:
    """Measures, prints, and writes JSON where asked. Returns 0: a target that is missed is no failure."""
    options = options.filled_in()
    console = Console()
    with database.temporary_server() as server, Progress() as progress:
        about = uvloop.run(machine.described(server.dsn(), server.data_dir))
        sections: Sections = {"empty database": uvloop.run(_measured(server, options, 0, progress))}
        if options.stored:
            title = f"{options.stored:,} charges stored"
            full = options.with_stored()
            sections[title] = uvloop.run(_measured(server, full, options.stored, progress))
    table.show(console, about, sections)
    if options.json is not None:
        report.write(options.json, options, about, sections)
    return 0


async def _measured(
    server: EmbeddedPostgres, options: Options, charges: int, progress: Progress
) -> list[Measurement]:
    """All measurements over one database that holds `charges` charges from before."""
    name = f"bench_{charges}"
    dsn = await database.new_database(server, name)
    postmaster = server.pid or 0
    known = books()
    async with Posting(dsn, lambda: known) as posting:
        accounts = account_ids(options.accounts)
        with progress.step("opening accounts", total=1):
            await open_accounts(posting, [*accounts, HOT])
        if charges:
            await stored.load(dsn, charges, options.accounts, progress)
        gc.collect()
        gc.freeze()
        found = [
            await in_process.measure(case, dsn, posting, postmaster, options, progress, stored=charges > 0)
            for case in in_process.CASES
        ]
    await database.drop_database(server, name)
    return found
