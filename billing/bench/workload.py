"""Workloads: which charges a measurement makes, on which accounts, in one step or two."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from billing.core.answers import ChargeAnswer
from billing.core.charges import Reported
from billing.core.commands import Authorize, Command, IssueGrant, OpenAccount, Settle
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks

GRANTED = 10**12  # credits: enough for any run
BATCH = 1_000
HOT = "acct_hot"
_MODEL = "gpt-image-2"
# Sizes and qualities as a gateway's customers ask for them; what comes back is what was asked.
_ASKED = ((1024, 1024, "high"), (1536, 1024, "medium"), (1024, 1536, "low"), (2048, 2048, "medium"))


def books() -> PriceBooks:
    return PriceBooks([PriceBook.of(1, datetime(2020, 1, 1, tzinfo=UTC), PUBLISHED)])


def account_ids(count: int) -> list[str]:
    return [f"acct_{number:08d}" for number in range(count)]


def opening(accounts: Sequence[str]) -> tuple[list[Command[Any]], list[Command[Any]]]:
    """What makes `accounts` and fills their wallets, in two parts that follow each other."""
    grants: list[Command[Any]] = [IssueGrant(account, "grant_1", "purchase", GRANTED) for account in accounts]
    return [OpenAccount(account) for account in accounts], grants


@dataclass(slots=True)
class Workload:
    """Charges of one image each, on accounts drawn at random. Always the same but for their ids."""

    accounts: Sequence[str]
    one_step: bool
    settles: bool = True
    _random: Random = field(default_factory=lambda: Random(1))
    _ids: Random = field(default_factory=Random)

    def batch(self, size: int = BATCH) -> list[list[Command[ChargeAnswer]]]:
        """The commands of `size` charges: one list in one step; authorizations, then settlements in two."""
        first: list[Command[ChargeAnswer]] = []
        second: list[Command[ChargeAnswer]] = []
        for account in self._random.choices(self.accounts, k=size):
            request_id = f"req_{self._ids.getrandbits(96):024x}"
            width, height, quality = _ASKED[self._random.randrange(len(_ASKED))]
            outputs = (Reported(0, "succeeded", width, height, None),)
            first.append(
                Authorize(
                    account,
                    request_id,
                    _MODEL,
                    size=f"{width}x{height}",
                    quality=quality,
                    api_key_id="key_4f1c09aa",
                    end_user=f"user_{self._random.randrange(5_000)}",
                    outputs=outputs if self.one_step else None,
                )
            )
            if self.settles and not self.one_step:
                second.append(Settle(account, request_id, outputs))
        return [first, second] if second else [first]
