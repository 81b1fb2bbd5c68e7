"""What QuickBooks Online and Xero are known to take as an account of a journal, and what they are known to refuse.

Xero: the code of an account, and none of a bank's, of receivables or of payables: those move by other papers alone. QuickBooks
Online: its name, after those above it (`Income:Credits used`), and with account numbers turned off; lines of receivables and
payables need a customer's or vendor's name, which a journal of days has not.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from billing.core.ledger import BANK
from billing.core.refusals import Invalid

_CLOSED: Final = {
    "quickbooks": ("accounts receivable (a/r)", "accounts payable (a/p)", "accounts receivable", "accounts payable"),
    "xero": ("bank", "credit card", "accounts receivable", "accounts payable", "unpaid expense claims"),
}
_CODE: Final = 10  # characters of an account's code in Xero
_LEVELS: Final = 5  # of accounts below accounts in QuickBooks Online


class Named(NamedTuple):
    """A ledger account in another program: its name or code there, its type there, and for Xero the tax rate of its lines."""

    account: str
    tax_rate: str = ""
    account_type: str = ""


def check_accepted(format: str, accounts: Mapping[str, Named]) -> None:
    """Raises Invalid where the program is known to refuse a journal with one of these accounts; all are named."""
    wrong = [
        f"{name} is {named.account}, which is of the type {named.account_type}"
        for name, named in accounts.items()
        if named.account_type.lower() in _CLOSED[format]
    ]
    if wrong:
        instead = (
            "a current asset that its bank feed is cleared against"
            if format == "xero"
            else "another current asset or liability"
        )
        raise Invalid.of("map", f"{format} takes no such account in a journal: {'; '.join(wrong)}. Name {instead}")
    if format == "xero" and (names := [one.account for one in accounts.values() if len(one.account) > _CODE]):
        raise Invalid.of(
            "map",
            f"Xero wants codes of accounts, of at most {_CODE} characters, and these are none: {', '.join(names)}",
        )
    if format == "quickbooks":
        for name, named in accounts.items():
            levels = named.account.split(":")
            if len(levels) > _LEVELS or any(level != level.strip() or not level for level in levels):
                raise Invalid.of(
                    "map",
                    f"{name}: {named.account!r} is no name of an account: write Parent:Sub, without spaces around the colon",
                )


def doubts(format: str, accounts: Mapping[str, Named]) -> list[str]:
    """What the program may refuse, and cannot be known here."""
    if format == "xero" and BANK in accounts and not accounts[BANK].account_type:
        return [
            f"{BANK} is {accounts[BANK].account}: if that is a bank account, Xero refuses the journal. Name a current asset, and say "
            f"so: `{BANK},{accounts[BANK].account},{accounts[BANK].tax_rate},Current Asset`"
        ]
    if format == "quickbooks" and (
        numbers := sorted({one.account for one in accounts.values() if one.account.isdigit()})
    ):
        return [
            f"QuickBooks Online wants names of accounts, such as Parent:Sub, and these are numbers: {', '.join(numbers)}"
        ]
    return []
