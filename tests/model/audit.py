"""The invariants, read from the tables by somebody who was not there: sums, sequences, chains and digests.

`audit` loads accounts in one snapshot and asserts what must hold at rest; the canonical bytes are written anew
from the journal's documentation.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from types import SimpleNamespace

TABLES = ("transfer", "grant", "charge", "output", "hold", "debt", "fill", "refund", "account_change")
ORDERS = {"transfer": "book, seq", "output": "request_id, index", "grant": "seq", "debt": "seq", "refund": "first_seq"}
ROUTES = {
    "grant": ("wallet", "issued", "wallet"),
    "settle": ("wallet", "wallet", "consumed"),
    "refund": ("wallet", "consumed", "wallet"),
    "expire": ("wallet", "wallet", "expired"),
    "purchase_bank": ("money", "bank", "deferred_revenue"),
    "purchase_stripe_clearing": ("money", "stripe_clearing", "deferred_revenue"),
}
IN_THE_CHAIN = (
    "account_id", "book", "seq", "kind", "debit", "credit", "asset", "amount", "balance_after", "request_id",
    "grant_id", "refund_id", "external_id", "effective_at", "posted_at", "digest",
)  # fmt: skip
IN_THE_DIGEST = (
    "account_id", "request_id", "model", "operation", "mode", "n", "size", "quality", "billed_quality",
    "quoted_tier", "quoted_credits", "price_version", "settled_credits", "flags", "authorized_at", "resolved_at",
)  # fmt: skip
OF_AN_OUTPUT = ("index", "status", "width", "height", "size_tier", "credits", "flags")


async def audit(connection, *account_ids):
    """The accounts' rows by table, each account checked. Raises AssertionError naming the account."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        accounts = await connection.fetch("SELECT * FROM account WHERE account_id = ANY($1)", account_ids)
        found = {row["account_id"]: SimpleNamespace(account=row) for row in accounts}
        for rows in found.values():
            rows.__dict__.update({table: [] for table in TABLES})
        for table in TABLES:
            order = f"ORDER BY {ORDERS[table]}" if table in ORDERS else ""
            query = f'SELECT * FROM "{table}" WHERE account_id = ANY($1) {order}'
            for row in await connection.fetch(query, account_ids):
                getattr(found[row["account_id"]], table).append(row)
    for account_id, rows in found.items():
        try:
            _check(rows)
        except AssertionError as wrong:
            wrong.add_note(f"account {account_id}")
            raise
    return found


def _check(rows):
    account, journal = rows.account, rows.transfer
    wallet = [row for row in journal if row["book"] == "wallet"]
    money = [row for row in journal if row["book"] == "money"]
    _check_book(wallet, account["wallet_seq"], account["wallet_head"])
    _check_book(money, account["money_seq"], account["money_head"])
    for row in journal:
        assert (row["book"], row["debit"], row["credit"]) == ROUTES[row["kind"]]
    flow = defaultdict(int)
    for row in wallet:
        flow[row["kind"]] += row["amount"]

    # I1: the ledger accounts against what they are sums of
    originals = [grant for grant in rows.grant if grant["origin_grant_id"] is None]
    assert flow["grant"] == sum(grant["granted"] for grant in originals)
    assert flow["settle"] == sum(charge["settled_credits"] for charge in rows.charge)
    assert flow["refund"] == sum(refund["credits"] for refund in rows.refund)
    assert flow["expire"] == sum(grant["expired"] for grant in rows.grant)

    # I2: posted, every balance on the way to it
    posted = 0
    for row in wallet:
        posted += row["amount"] if row["credit"] == "wallet" else -row["amount"]
        assert row["balance_after"] == posted
    assert account["posted"] == posted

    # I3: holds are those of authorized charges, and nothing due is left once the account was touched
    authorized = {c["request_id"]: c["held_credits"] for c in rows.charge if c["status"] == "authorized"}
    assert {hold["request_id"]: hold["credits"] for hold in rows.hold} == authorized
    assert account["held"] == sum(authorized.values())
    assert all(hold["expires_at"] > account["last_at"] for hold in rows.hold)

    _check_grants(rows)
    for charge in rows.charge:
        _check_charge(charge, rows)
    for refund in rows.refund:  # I7
        parts = wallet[refund["first_seq"] - 1 : refund["last_seq"]]
        assert {(part["kind"], part["refund_id"]) for part in parts} == {("refund", refund["refund_id"])}
        assert sum(part["amount"] for part in parts) == refund["credits"]
    moments = [grant["expires_at"] for grant in rows.grant if grant["open"] and grant["expires_at"]]
    moments += [hold["expires_at"] for hold in rows.hold]
    assert not moments or account["due_at"] <= min(moments), "what is due would be overlooked"
    # I12, as far as nothing has been recognised: what was paid is deferred
    assert sum(row["amount"] for row in money) == sum(grant["paid_micros"] or 0 for grant in originals)


def _check_grants(rows):
    account, grants = rows.account, rows.grant
    owed = sum(debt["outstanding"] for debt in rows.debt)
    assert account["debt"] == owed
    assert sum(grant["remaining"] for grant in grants) - owed == account["posted"]  # I6
    usable = [g for g in grants if g["remaining"] and not (g["expires_at"] and g["expires_at"] <= account["last_at"])]
    assert not (owed and usable), "credits are left while debt is owed"
    used = defaultdict(int)
    for row in rows.transfer:
        used[row["grant_id"]] += row["amount"] if row["kind"] == "settle" else 0
    for fill in rows.fill:
        used[fill["grant_id"]] += fill["credits"]
    for refund in rows.refund:
        for source, credits, to in json.loads(refund["returns"]):
            used[source] -= credits if to in (source, None) else 0
    for grant in grants:
        parts = ("remaining", "used", "expired", "revoked", "moved")
        assert sum(grant[part] for part in parts) == grant["granted"]
        assert all(grant[part] >= 0 for part in parts)
        assert grant["open"] == (grant["remaining"] > 0)
        assert grant["used"] + grant["moved"] == used[grant["grant_id"]]
    filled = defaultdict(int)
    for fill in rows.fill:
        filled[fill["seq"]] += fill["credits"]
    forgiven = sum(row["credits"] - row["outstanding"] - filled[row["seq"]] for row in rows.debt)
    returned = [json.loads(refund["returns"]) for refund in rows.refund]
    assert forgiven == sum(credits for parts in returned for source, credits, _ in parts if source is None)


def _check_charge(charge, rows):
    mine = [row for row in rows.transfer if row["request_id"] == charge["request_id"]]
    outputs = [row for row in rows.output if row["request_id"] == charge["request_id"]]
    refunds = [row["credits"] for row in rows.refund if row["request_id"] == charge["request_id"]]
    settlement = [row for row in mine if row["kind"] == "settle"]
    assert charge["held_credits"] <= charge["available_credits"]  # I4
    assert charge["one_step"] or charge["quoted_credits"] <= charge["held_credits"]
    assert charge["quoted_credits"] <= charge["available_credits"]
    assert sum(refunds) == charge["refunded_credits"] <= charge["settled_credits"]  # I5
    assert sum(row["refunded_credits"] for row in outputs) == charge["refunded_credits"]
    assert sum(row["credits"] for row in outputs) == charge["settled_credits"]  # I9
    assert all(row["credits"] == 0 for row in outputs if row["status"] == "failed")
    assert sum(row["amount"] for row in settlement) == charge["settled_credits"]
    if charge["status"] == "settled":
        assert [row["seq"] for row in settlement] == list(range(charge["first_seq"], charge["last_seq"] + 1))
        assert {row["digest"] for row in settlement} == {settlement_digest(charge, outputs)}  # I10
    else:
        assert not mine
        assert not outputs


def _check_book(journal, last_seq, head):
    """I2 and I10: no gap, times in order, each hash from the one before it, the account's head at the end."""
    assert [row["seq"] for row in journal] == list(range(1, last_seq + 1))
    assert all(earlier["posted_at"] <= later["posted_at"] for earlier, later in pairwise(journal))
    previous = bytes(32)
    for row in journal:
        assert row["effective_at"] <= row["posted_at"]
        previous = sha256(previous + canonical("billing.transfer.1", *(row[name] for name in IN_THE_CHAIN))).digest()
        assert row["hash"] == previous
    assert head == previous


def settlement_digest(charge, outputs):
    listed = "".join(f"{_field(row[name])}" for row in outputs for name in OF_AN_OUTPUT)
    head = canonical("billing.settlement.1", *(charge[name] for name in IN_THE_DIGEST))
    return sha256(head + f"l{len(outputs)}\n{listed}".encode()).digest()


def canonical(*values):
    return "".join(map(_field, values)).encode()


def _field(value):
    match value:
        case None:
            return "-\n"
        case str():
            return f"{len(value.encode())}:{value}\n"
        case int():
            return f"i{value}\n"
        case bytes():
            return f"x{value.hex()}\n"
        case datetime():
            return f"i{(value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)}\n"
        case list():
            return f"l{len(value)}\n" + "".join(map(_field, value))
    raise TypeError(type(value))
