"""Everything that is stored about one charge, in one snapshot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from billing.core.charges import Charge, Output
from billing.core.grants import Fill, Grant
from billing.core.ledger import Transfer
from billing.core.needs import Needs
from billing.core.wallet import CorrectionRow, RefundRow
from billing.store import rows
from billing.store.balances import known
from billing.store.clock import time_by
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.gather import gather
from billing.store.snapshot import snapshot

_TRANSFERS = f"""
    SELECT {rows.TRANSFER} FROM transfer t
    WHERE t.account_id = $1 AND t.book = 'wallet' AND t.seq = ANY($2::bigint[]) ORDER BY t.seq"""
_GRANTS = f'SELECT {rows.GRANT} FROM "grant" g WHERE g.account_id = $1 AND g.grant_id = ANY($2::text[])'
_REFUNDS = f"SELECT {rows.REFUND} FROM refund r WHERE r.account_id = $1 AND r.request_id = $2 ORDER BY r.first_seq"
_CORRECTIONS = f"""
    SELECT {rows.CORRECTION} FROM correction r WHERE r.account_id = $1 AND r.request_id = $2 ORDER BY r.first_seq"""
_FILLS = f"""
    SELECT {rows.columns(Fill._fields, "f")} FROM fill f WHERE f.account_id = $1 AND f.seq = ANY($2::bigint[])
    ORDER BY f.paid_by_seq, f.seq"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A charge, its outputs, refunds and corrections, the fills that paid its debts, and all their transfers and grants."""

    charge: Charge | None
    outputs: Sequence[Output] = ()
    refunds: list[RefundRow] = field(default_factory=list)
    corrections: list[CorrectionRow] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    transfers: dict[int, Transfer] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)

    def between(self, first_seq: int, last_seq: int) -> list[Transfer]:
        """The transfers `first_seq` to `last_seq`, both included."""
        return [self.transfers[seq] for seq in range(first_seq, last_seq + 1)]


async def evidence(engine: Engine, account_id: str, request_id: str) -> Evidence:
    """Raises AccountNotFound; without a charge where there is none."""
    async with snapshot(engine) as connection:
        needs = Needs(accounts={account_id}, charges={(account_id, request_id)})
        wallet = known(await gather(connection, needs, lock=False, now=time_by(engine)), account_id)
        charge = wallet.charges.get(request_id)
        if charge is None or charge.first_seq is None or charge.last_seq is None:
            return Evidence(charge)
        refunds = [rows.refund(row) for row in await connection.fetch(_REFUNDS, account_id, request_id)]
        corrections = [rows.correction(row) for row in await connection.fetch(_CORRECTIONS, account_id, request_id)]
        seqs = set(range(charge.first_seq, charge.last_seq + 1))
        for first, last in ((event.first_seq, event.last_seq) for events in (refunds, corrections) for event in events):
            seqs.update(range(first, last + 1))
        fills = [Fill(*row) for row in await connection.fetch(_FILLS, account_id, sorted(seqs))]
        seqs.update(fill.paid_by_seq for fill in fills)
        transfers = [Transfer(*row) for row in await connection.fetch(_TRANSFERS, account_id, sorted(seqs))]
        named = {transfer.grant_id for transfer in transfers} | {fill.grant_id for fill in fills}
        grants = await _grants(connection, account_id, (grant_id for grant_id in named if grant_id))
    by_seq = {transfer.seq: transfer for transfer in transfers}
    return Evidence(charge, wallet.outputs[request_id], refunds, corrections, fills, by_seq, grants)


async def _grants(connection: Connection, account_id: str, grant_ids: Iterable[str]) -> dict[str, Grant]:
    found = [Grant(*row) for row in await connection.fetch(_GRANTS, account_id, sorted(grant_ids))]
    return {grant.grant_id: grant for grant in found}
