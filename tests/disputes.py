"""Disputes as Stripe reports them, for tests that play its part."""

from typing import Any

import asyncpg

from billing.core.funding_commands import DisputeMovement, ReportDispute
from billing.core.payments import Dispute
from billing.store.payments import row_of, select_list

WORDS = {"open": "needs_response"}


def withdrawn(dispute_id: str, *micros: int, fee: int = 0, fee_back: int = 0) -> tuple[DisputeMovement, ...]:
    """Balance transactions, below zero where they take money. The first has the fee, the second returns some of it."""
    fees = (fee, -fee_back)
    return tuple(
        DisputeMovement(f"txn_{dispute_id}_{place}", amount, fees[place] if place < 2 else 0)
        for place, amount in enumerate(micros)
    )


def reported(
    account_id: str,
    topup_id: str,
    dispute_id: str,
    micros: int,
    status: str,
    *,
    currency: str = "USD",
    movements: tuple[DisputeMovement, ...] | None = None,
    **more: Any,
) -> ReportDispute:
    """All of it is withdrawn when it is opened, and comes back when it is won, unless `movements` say otherwise."""
    if movements is None:
        movements = withdrawn(dispute_id, -micros, *([micros] if status == "won" else []))
    word = WORDS.get(status, status)
    return ReportDispute(account_id, topup_id, dispute_id, micros, currency, word, movements, **more)


async def known(connection: asyncpg.Connection, account_id: str, dispute_id: str) -> Dispute | None:
    """What the ledger knows of a dispute."""
    row = await connection.fetchrow(
        f"SELECT {select_list(Dispute)} FROM dispute x WHERE x.account_id = $1 AND x.dispute_id = $2",
        account_id,
        dispute_id,
    )
    found: Dispute | None = None if row is None else row_of(Dispute, row)
    return found
