"""Under which charge a wish's next attempt is made: the first of its ids that is free, or whose hold is open.

An id is free again if nothing was billed under it. Billing is asked, which forgets nothing, so that this is as true
after a restart as before it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from billing.client import BillingClient, ChargeClosed, Charging, Problem
from billing.client.documents import Charge

from .errors import already_charged
from .unsettled import UnsettledBills
from .wish import Asking, Wish

MOST_STEPS = 50
"""Each step leads past all charges of a wish that are over, so that more than a few mean that somebody else holds and
lets go under the same ids, all the time."""


class Opening:
    """Opens charges, and knows the bills that wait to be posted."""

    def __init__(self, billing: BillingClient, unsettled: UnsettledBills) -> None:
        self._billing = billing
        self._unsettled = unsettled

    async def enter(self, stack: AsyncExitStack, wish: Wish, asking: Asking, **order: Any) -> Charging:
        """A charging, entered on the stack. Raises `Problem`, and `Refused` where images were delivered before and
        their bill is on its way."""
        account_id, ids = asking.customer.account_id, wish.ids
        metadata = metadata_of(asking)
        for _ in range(MOST_STEPS):
            if self._unsettled.knows(account_id, ids.current):
                raise already_charged(ids.current, None)
            charging = self._billing.charging(account_id, ids.current, **order, metadata=metadata)
            try:
                return await stack.enter_async_context(charging)
            except ChargeClosed as closed:
                if _is_billed(closed.charge):
                    raise
                await self._pass_over(account_id, wish)
            except Problem as problem:
                if problem.code != "id_reused":
                    raise
                known = await self._billing.read_charge(account_id, ids.current)
                said = known["metadata"]
                if _is_free(known):
                    await self._pass_over(account_id, wish)
                elif said.get("asked") == asking.digest and said != metadata:
                    metadata = said  # the same, through another proxy
                elif asking.splits and said.get("kin") == asking.kin and said.get("asked") != asking.digest:
                    ids.in_part(f"{asking.n}.0")
                else:
                    raise
        raise Problem(0, "unreachable", f"no charge under {ids.current!r} stays open")

    async def _pass_over(self, account_id: str, wish: Wish) -> None:
        """On to the last id that billing knows, in strides that double, or past it."""
        ids = wish.ids
        if not ids.named:
            return ids.go_on(1)
        known, unknown = ids.number, ids.number + 1
        while await self._knows(account_id, ids.of(unknown)):
            known, unknown = unknown, 2 * unknown
        while unknown - known > 1:
            between = (known + unknown) // 2
            if await self._knows(account_id, ids.of(between)):
                known = between
            else:
                unknown = between
        return ids.go_on(known if known > ids.number else unknown)

    async def _knows(self, account_id: str, request_id: str) -> bool:
        try:
            await self._billing.read_charge(account_id, request_id)
        except Problem as problem:
            if problem.code != "charge_not_found":
                raise
            return False
        return True


def metadata_of(asking: Asking) -> dict[str, str]:
    """What the ledger keeps of a request beside its terms. `asked`: so that one key never stands for two prompts."""
    said = {"asked": asking.digest, "idempotency_key": asking.caller.key, "x_request_id": asking.caller.trace}
    if asking.splits:
        said["kin"] = asking.kin
    return {name: text for name, text in said.items() if text is not None}


def _is_billed(charge: Charge) -> bool:
    """A bill of 0 for images that failed is none; one for images that cost nothing is one."""
    return charge["status"] == "settled" and any(output["status"] == "succeeded" for output in charge["outputs"])


def _is_free(charge: Charge) -> bool:
    return charge["status"] != "authorized" and not _is_billed(charge)
