"""A story: one account from its opening on, a clock that the story sets, and the whole account to look at."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from billing.core.charges import Reported
from billing.core.commands import OpenAccount
from billing.core.refusals import Refusal
from billing.posting import Posting
from tests.disputes import known, reported, withdrawn

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

# PostgreSQL looks for functions along the search path: a schema before pg_catalog may have a clock of its own.
A_CLOCK_TO_SET = f"""
    CREATE SCHEMA clock;
    CREATE TABLE clock.reading AS SELECT '{NOON.isoformat()}'::timestamptz AS at;
    CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM clock.reading';
    GRANT USAGE ON SCHEMA clock TO billing_service;
    GRANT SELECT ON clock.reading TO billing_service;
    ALTER DATABASE stories SET search_path = clock, pg_catalog, public;"""


@pytest.fixture(scope="session")
def clocked(server, template):
    """The DSN of a database whose clock stands still until a story sets it."""

    async def prepare():
        connection = await asyncpg.connect(server.dsn("postgres"))
        await connection.execute(f"CREATE DATABASE stories TEMPLATE {template}")
        await connection.close()
        connection = await asyncpg.connect(server.dsn("stories"))
        await connection.execute(A_CLOCK_TO_SET)
        await connection.close()

    asyncio.run(prepare())
    return server.dsn("stories")


class Story:
    """`await story(Command, …)` on its account; a refusal is returned. `await story.account()` is all there is."""

    def __init__(self, posting, owner, audit, account_id):
        self._posting, self._owner, self._audit = posting, owner, audit
        self.account_id = account_id

    async def __call__(self, command, *args, **more):
        try:
            return await self._posting.post(command(self.account_id, *args, **more))
        except Refusal as refusal:
            return refusal

    async def dispute(self, dispute_id, micros, status, *, topup_id="t", fee=0):
        """Stripe says how a dispute stands; what it has withdrawn, and returned where it was won, goes with it."""
        moved = (-micros, micros) if status == "won" else (-micros,)
        seen = await known(self._owner, self.account_id, dispute_id)
        movements = withdrawn(dispute_id, *moved, fee=fee)
        return await self(
            lambda account: reported(account, topup_id, dispute_id, micros, status, movements=movements, seen=seen)
        )

    async def opened(self, **settings):
        await self(OpenAccount, **settings)

    async def clock(self, after):
        """The database's clock stands `after` (a timedelta) past noon on the story's day."""
        await self._owner.execute("UPDATE clock.reading SET at = $1", NOON + after)

    async def account(self):
        """The whole account, invariants checked: figures, grants, charges with their outputs, and the wallet's journal.

        grants:  id → what is left, `of` what was granted, and where else it went
        charges: id → status and bill, what was quoted or held, flags; then a line for each output
        journal: kind, credits, grant (`debt` where there is none), balance after
        """
        rows = (await self._audit(self.account_id))[self.account_id]
        account = rows.account
        return {
            "posted": account["posted"],
            "held": account["held"],
            "available": account["posted"] - account["held"] - account["frozen"] + account["credit_limit"],
            "debt": account["debt"],
            "grants": {grant["grant_id"]: _of_grant(grant) for grant in rows.grant},
            "charges": {
                charge["request_id"]: [_of_charge(charge), *(_of_output(o) for o in rows.output if _of(o, charge))]
                for charge in sorted(rows.charge, key=lambda charge: charge["authorized_at"])
            },
            "journal": [
                f"{t['kind']} {t['amount']} {t['grant_id'] or '-'} → {t['balance_after']}"
                for t in rows.transfer
                if t["book"] == "wallet"
            ],
        }

    async def money(self):
        """What was paid, invariants checked: top-ups, balances of the money book, its journal, what was announced.

        topups:   id → status and price, what went back or is under dispute, the problem that somebody has to look at
        balances: what stands on each ledger account that is not at zero, debits less credits
        journal:  kind, amount, what it is called at the processor
        """
        rows = (await self._audit(self.account_id))[self.account_id]
        balances = {}
        for row in rows.transfer:
            if row["book"] == "money":
                for side, sign in (("debit", 1), ("credit", -1)):
                    balances[row[side]] = balances.get(row[side], 0) + sign * row["amount"]
        told = await self._owner.fetch(
            "SELECT type FROM outbox WHERE account_id = $1 ORDER BY created_at, position", self.account_id
        )
        return {
            "topups": {row["topup_id"]: _of_topup(row) for row in rows.topup},
            "balances": {name: dollars(amount) for name, amount in sorted(balances.items()) if amount},
            "journal": [
                f"{row['kind']} {dollars(row['amount'])} {row['external_id']}"
                for row in rows.transfer
                if row["book"] == "money"
            ],
            "told": [row["type"] for row in told],
        }


def dollars(micros):
    return f"{'-' * (micros < 0)}${abs(micros) / 1_000_000:.2f}"


def _of_topup(topup):
    parts = [f"{topup['status']} {dollars(topup['price_micros'])}"]
    parts += [
        f"{dollars(topup[f'{name}_micros'])} {name}" for name in ("returned", "disputed") if topup[f"{name}_micros"]
    ]
    return ", ".join([*parts, *([topup["problem"]] if topup["problem"] else [])])


def _of(output, charge):
    return output["request_id"] == charge["request_id"]


def _of_grant(grant):
    elsewhere = [f"{grant[name]} {name}" for name in ("used", "expired", "moved", "revoked") if grant[name]]
    frozen = ["frozen"] if grant["frozen"] else []
    return ", ".join([f"{grant['remaining']} of {grant['granted']}", *elsewhere, *frozen])


def _of_charge(charge):
    if charge["status"] != "settled":
        return f"{charge['status']}, {charge['held_credits']} held"
    refunded = [f"{charge['refunded_credits']} refunded"] if charge["refunded_credits"] else []
    return ", ".join(
        [f"settled {charge['settled_credits']} of {charge['quoted_credits']}", *refunded, *charge["flags"]]
    )


def _of_output(output):
    if output["status"] == "failed":
        return "failed 0"
    return " ".join([output["size_tier"], str(output["credits"]), *output["flags"]])


@pytest.fixture
def story(clocked, books, run, new_account_id, request):
    audit_with = next(
        plugin.audit_with for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "audit_with")
    )
    owner = run(asyncpg.connect(clocked))
    posting = Posting(clocked, lambda: books, lanes=1)
    run(posting.__aenter__())
    story = Story(posting, owner, lambda account_id: audit_with(owner, account_id), new_account_id())
    run(story.clock(timedelta(0)))
    yield story
    run(posting.__aexit__())
    run(owner.close())


@pytest.fixture
def image():
    """`image(0, 1024, 1024)`: an output that came back, measured; `image(0)`: one that nobody could measure."""
    return lambda index, width=None, height=None: Reported(index, "succeeded", width, height, None)


@pytest.fixture
def failed():
    return lambda index, reason="content_policy": Reported(index, "failed", None, None, reason)
