"""What the queries believe of the tables is what the migrations made, column by column, in order."""

import pytest
from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Integer, LargeBinary, SmallInteger, Text

from billing.core.announcements import Announcement
from billing.core.charges import Charge, Output
from billing.core.cost_basis import Recognition
from billing.core.effects import AccountChange
from billing.core.grants import Debt, Grant
from billing.core.ledger import Transfer
from billing.core.payments import (
    AutoRecharge,
    BookedTransaction,
    CardRefund,
    Dispute,
    ExpiryNotice,
    StripeObject,
    Topup,
)
from billing.core.usage import UsageCount
from billing.core.wallet import Hold
from billing.store import rows
from billing.store.tables import metadata

COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute
    WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
KEY = """
    SELECT a.attname FROM pg_constraint c, unnest(c.conkey) WITH ORDINALITY k(attnum, place)
    JOIN pg_attribute a ON a.attnum = k.attnum
    WHERE c.conrelid = $1::regclass AND a.attrelid = c.conrelid AND c.contype = 'p' ORDER BY k.place"""
TYPES = {
    BigInteger: "bigint", SmallInteger: "smallint", Integer: "integer", Text: "text", Boolean: "boolean", LargeBinary: "bytea",
    DateTime: "timestamp with time zone",
}  # fmt: skip
REFERENCE = {
    "price_book", "api_key", "alembic_version", "stripe_object", "stripe_event", "pack", "payout_item", "webhook_endpoint",
    "signing_key", "session", "closing", "reconciliation", "manifest", "provider_report", "provider_usage",
    "provider_cost", "machine", "clock_acceptance",
}  # fmt: skip
TUPLES = {
    "charge": Charge._fields,
    "output": Output._fields,
    "transfer": Transfer._fields,
    "hold": Hold._fields,
    "refund": rows.REFUND_COLUMNS,
    "refund_output": rows.REFUND_OUTPUT_COLUMNS,
    "returned": rows.RETURNED_COLUMNS,
    "correction": rows.CORRECTION_COLUMNS,
    "correction_report": rows.CORRECTION_REPORT_COLUMNS,
    "correction_output": rows.CORRECTION_OUTPUT_COLUMNS,
    "account_change": AccountChange._fields,
    "grant": Grant._fields,
    "debt": Debt._fields,
    "topup": Topup._fields,
    "card_refund": tuple(name for name in CardRefund._fields if name != "clawed"),
    "dispute": tuple(name for name in Dispute._fields if name != "clawed"),
    "stripe_transaction": BookedTransaction._fields,
    "stripe_object": StripeObject._fields,
    "auto_recharge": AutoRecharge._fields,
    "expiry_notice": ExpiryNotice._fields,
    "outbox": Announcement._fields,
    "usage_bucket": UsageCount._fields,
    "recognition": Recognition._fields,
}


def name_of(kind):
    if isinstance(kind, ARRAY):
        return f"{name_of(kind.item_type)}[]"
    assert not isinstance(kind, DateTime) or kind.timezone
    return next(name for type_, name in TYPES.items() if type(kind) is type_)


@pytest.mark.parametrize("table", sorted(metadata.tables))
async def test_metadata_is_what_the_migrations_made(owner, table):
    there = [tuple(row) for row in await owner.fetch(COLUMNS, f'"{table}"')]
    ours = metadata.tables[table]
    assert there == [(column.name, name_of(column.type), column.nullable) for column in ours.columns]
    assert [row[0] for row in await owner.fetch(KEY, f'"{table}"')] == [c.name for c in ours.primary_key.columns]


async def test_no_table_is_unknown_to_the_queries(owner):
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    there = {row[0] for row in await owner.fetch(query)}
    assert there - {"alembic_version"} == set(metadata.tables)


@pytest.mark.parametrize("table", sorted(TUPLES))
async def test_the_cores_tuples_are_rows(owner, table):
    """Rows are written and read by position."""
    assert tuple(row[0] for row in await owner.fetch(COLUMNS, f'"{table}"')) == TUPLES[table]


async def test_accounts_are_read_and_written_by_name(owner):
    there = {row[0] for row in await owner.fetch(COLUMNS, "account")}
    assert there - {"recognised_seq", "recognised_at"} == set(rows.ACCOUNT_COLUMNS)  # what no bill has to do with


async def test_every_key_begins_with_the_account(owner):
    """So that every table can be distributed by account; reference tables are the same on every node."""
    query = """
        SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype IN ('p', 'u') AND c.connamespace = 'public'::regnamespace"""
    found = [(table.strip('"'), column) for table, column in await owner.fetch(query)]
    assert {column for table, column in found if table not in REFERENCE} == {"account_id"}


async def test_nothing_that_a_shard_cannot_do(owner):
    """No foreign keys, triggers, sequences or volatile defaults."""
    assert await owner.fetchval("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == 0
    assert await owner.fetchval("SELECT count(*) FROM pg_trigger") == 0
    assert await owner.fetchval("SELECT count(*) FROM pg_sequence") == 0
    volatile = "SELECT count(*) FROM pg_attrdef WHERE pg_get_expr(adbin, adrelid) !~ '^[0-9]+$'"
    assert await owner.fetchval(volatile) == 0


async def test_amounts_are_64_bits_wide(owner):
    query = """
        SELECT attrelid::regclass::text, attname FROM pg_attribute
        WHERE attrelid = ANY($1::regclass[]) AND atttypid = 'integer'::regtype AND attnum > 0"""
    found = {row[1] for row in await owner.fetch(query, [f'"{table}"' for table in TUPLES])}
    counts = {"n", "index", "width", "height", "priority", "position", "hold_seconds", "price_version"}
    assert found == counts | {"asked_price_version", "expires_in_days", "declines", "undone"}
