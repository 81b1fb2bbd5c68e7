"""Packs: credits for sale, as data. A pack never changes; a new offer is a new pack."""

from typing import Final, Literal, NamedTuple

from billing.core.amounts import MAX_AMOUNT, amount
from billing.core.money import stripe_units
from billing.core.refusals import Invalid
from billing.core.text import currency, free_text, identifier

Bonus = Literal["own_grant", "dilutes"]
BONUSES: Final[tuple[Bonus, ...]] = ("own_grant", "dilutes")
EXPIRES_IN_DAYS_MAX: Final = 3_650


class Pack(NamedTuple):
    """`credits` and `bonus_credits` for `price_micros` of `currency`, to be used within `expires_in_days` or for ever.

    `bonus`: with `own_grant` the bonus credits are a grant of their own that cost nothing; with `dilutes` they are
    part of the one grant, so that each of its credits cost less.
    """

    pack_id: str
    name: str
    credits: int
    bonus_credits: int
    bonus: str
    price_micros: int
    currency: str
    expires_in_days: int | None

    @property
    def diluted(self) -> bool:
        return self.bonus == "dilutes"

    @classmethod
    def of(
        cls,
        pack_id: str,
        name: str,
        credits: int,
        price_micros: int,
        currency_code: str,
        *,
        bonus_credits: int = 0,
        bonus: str = "own_grant",
        expires_in_days: int | None = None,
    ) -> "Pack":
        """A well-formed pack. Raises Invalid."""
        identifier(pack_id, "pack_id")
        free_text(name, "name", longest=200)
        if not name.strip():
            raise Invalid.of("name", "must not be empty: it is what customers see")
        amount(credits, "credits", minimum=1)
        amount(bonus_credits, "bonus_credits")
        amount(credits + bonus_credits, "bonus_credits", maximum=MAX_AMOUNT)
        if bonus not in BONUSES:
            raise Invalid.of("bonus", f"must be one of {', '.join(BONUSES)}")
        amount(price_micros, "price.micros", minimum=1)
        stripe_units(price_micros, currency(currency_code, "price.currency"))
        if expires_in_days is not None:
            amount(expires_in_days, "expires_in_days", minimum=1, maximum=EXPIRES_IN_DAYS_MAX)
        return cls(pack_id, name, credits, bonus_credits, bonus, price_micros, currency_code, expires_in_days)
