"""Plans: every statement of the ledger's is explained by its name, as the service, and asks an index for its rows."""

import re
from types import ModuleType

import pytest

from billing.store import payments, recognition
from billing.store.connection import connect
from billing.store.sql import CHANGES, LOADS, PARTS

A_STATEMENT = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b")
# A few rows for ever, looked at whole: they have no index that would be of use.
SMALL = {"alembic_version", "webhook_endpoint"}
# Asked by a chore and by the health of the service, not by a batch.
CHORES = {"_WAITING", "_COUNT", "_MISSING"}


def of(module: ModuleType) -> dict[str, str]:
    return {
        f"{module.__name__} {name}": text
        for name, text in vars(module).items()
        if name not in CHORES and isinstance(text, str) and A_STATEMENT.match(text)
    }


NAMED = {
    **{f"load {name}": text for name, text in LOADS.items()},
    **{f"write {name}": text for name, text in PARTS.items()},
    **{f"change {name}": text for name, text in CHANGES.items()},
    **of(payments),
    **of(recognition),
}


def test_they_are_all_there():
    assert {"load lock", "load charges", "write charge", "write resolve", "change outputs"} <= NAMED.keys()
    assert {"billing.store.payments _TOPUPS", "billing.store.recognition _MOVEMENTS"} <= NAMED.keys()


@pytest.fixture
def service(database, run):
    connection = run(connect(database))
    yield connection
    run(connection.close())


async def scanned(service, statement):
    """The tables that are scanned where scans are made dear: the planner takes one only where no index answers."""
    async with service.transaction():
        await service.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan")
        await service.execute(f"PREPARE asked AS {statement}")
        parameters = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
        plan = await service.fetch(f"EXPLAIN EXECUTE asked{parameters and f'({parameters})'}")
        await service.execute("DEALLOCATE asked")
    return set(re.findall(r'Seq Scan on "?(\w+)', "\n".join(row[0] for row in plan)))


@pytest.mark.parametrize("name", NAMED)
async def test_a_batch_scans_no_table_from_end_to_end(service, name):
    assert await scanned(service, NAMED[name]) <= SMALL


async def test_what_no_index_answers_is_seen(service):
    assert await scanned(service, "SELECT FROM charge WHERE void_reason = $1") == {"charge"}
