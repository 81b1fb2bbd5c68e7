"""Everything that is stored about one charge, in one snapshot."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.charges import Charge, Output
from billing.core.grants import Grant
from billing.core.ledger import Transfer
from billing.core.wallet import RefundRow
from billing.store import rows
from billing.store.balances import known
from billing.store.gather import Needs, gather
from billing.store.snapshot import snapshot

_SETTLEMENT = f"""
    SELECT {rows.TRANSFER} FROM transfer t
    WHERE t.account_id = $1 AND t.book = 'wallet' AND t.seq BETWEEN $2 AND $3 ORDER BY t.seq"""
_GRANTS = f'SELECT {rows.GRANT} FROM "grant" g WHERE g.account_id = $1 AND g.grant_id = ANY($2::text[])'
_REFUNDS = f"SELECT {rows.REFUND} FROM refund r WHERE r.account_id = $1 AND r.request_id = $2 ORDER BY r.first_seq"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A charge, its outputs, its settlement's transfers, the grants they drew on, and its refunds."""

    charge: Charge | None
    outputs: list[Output]
    settlement: list[Transfer]
    grants: dict[str, Grant]
    refunds: list[RefundRow]


async def evidence(engine: AsyncEngine, account_id: str, request_id: str) -> Evidence:
    """Raises AccountNotFound; without a charge where there is none."""
    async with snapshot(engine) as connection:
        needs = Needs(accounts={account_id}, charges={(account_id, request_id)})
        wallet = known(await gather(connection, needs, lock=False), account_id)
        charge = wallet.charges.get(request_id)
        if charge is None or charge.status != "settled":
            return Evidence(charge, [], [], {}, [])
        found = await connection.fetch(_SETTLEMENT, account_id, charge.first_seq, charge.last_seq)
        settlement = [Transfer(*row) for row in found]
        drawn = [transfer.grant_id for transfer in settlement if transfer.grant_id]
        grants = [Grant(*row) for row in await connection.fetch(_GRANTS, account_id, drawn)]
        refunds = [rows.refund(row) for row in await connection.fetch(_REFUNDS, account_id, request_id)]
    return Evidence(
        charge, wallet.outputs[request_id], settlement, {grant.grant_id: grant for grant in grants}, refunds
    )
