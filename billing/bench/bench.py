"""A run: every measurement in turn, over an empty database and over a full one."""

import sys

import uvloop
from rich.console import Console

from billing.bench import database, exports, in_process, machine, over_http, report, stored, table, usage
from billing.bench.measurement import Measurement, Target
from billing.bench.options import Options
from billing.bench.posting import open_accounts
from billing.bench.progress import Progress
from billing.bench.workload import HOT, account_ids, books
from billing.embedded import EmbeddedPostgres
from billing.posting import Posting
from billing.posting.collector import tame_collector

Sections = dict[str, list[Measurement]]


def measure(options: Options) -> int:
    """Measures, prints, and writes JSON where asked; returns 0."""
    options = options.filled_in()
    console = Console(width=None if sys.stdout.isatty() else 150)  # wide enough for the tables where nobody looks yet
    with database.temporary_server() as server, Progress() as progress:
        about = uvloop.run(machine.described(server.dsn(), server.data_dir))
        sections: Sections = {"empty database": uvloop.run(_measured(server, options, 0, progress))}
        sections["usage"] = uvloop.run(usage.measure(server, options, progress))
        sections["exports"] = uvloop.run(exports.measure(server, options, progress))
        if options.stored:
            full = uvloop.run(_measured(server, options.with_stored(), options.stored, progress))
            _compare(full, sections["empty database"])
            sections[f"{options.stored:,} charges stored"] = full
    table.show(console, options, about, sections)
    if options.json is not None:
        report.write(options.json, options, about, sections)
    return 0


async def _measured(server: EmbeddedPostgres, options: Options, charges: int, progress: Progress) -> list[Measurement]:
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
        tame_collector()
        over_full = charges > 0
        found = [
            await in_process.measure(case, dsn, posting, postmaster, options, progress, stored=over_full)
            for case in in_process.CASES
        ]
        found += await over_http.measure(dsn, posting, postmaster, options, progress, stored=over_full)
    await database.drop_database(server, name)
    return found


def _compare(full: list[Measurement], empty: list[Measurement]) -> None:
    """Over a full database the targets are what remains of the empty one's figures."""
    for one, before in zip(full, empty, strict=True):
        if one.ratio is not None and before.ratio:
            one.targets = [
                Target("of the empty rate", one.ours.rate / before.ours.rate, at_least=0.75),
                Target("of the empty ratio", one.ratio / before.ratio, at_least=0.85),
            ]
