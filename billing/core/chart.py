"""The chart of accounts as accountants' programs name it: five roots, capitalised words, and a customer's own part.

Such names know letters, digits and hyphens only; an account's id becomes one reversibly: what else it holds is
written as a hyphen and two hexadecimal digits, after `Id-`, because a name must not begin with a small letter.
"""

import re
from typing import Final

from billing.core import ledger

CHART: Final = {
    ledger.WALLET: "Liabilities:Wallet",
    ledger.ISSUED: "Equity:Credits:Issued",
    ledger.CONSUMED: "Equity:Credits:Consumed",
    ledger.EXPIRED: "Equity:Credits:Expired",
    ledger.REVOKED: "Equity:Credits:Revoked",
    ledger.ADJUSTED: "Equity:Credits:Adjusted",
    ledger.STRIPE_CLEARING: "Assets:Stripe-Clearing",
    ledger.STRIPE_RESERVE: "Assets:Stripe-Reserve",
    ledger.OTHER_BUSINESS: "Assets:Other-Business",
    ledger.BANK: "Assets:Bank",
    ledger.DISPUTED: "Assets:Disputed",
    ledger.DEFERRED_REVENUE: "Liabilities:Deferred-Revenue",
    ledger.REVENUE_USAGE: "Income:Usage",
    ledger.REVENUE_BREAKAGE: "Income:Breakage",
    ledger.REFUNDS: "Expenses:Refunds",
    ledger.PROCESSOR_FEES: "Expenses:Processor-Fees",
    ledger.DISPUTE_LOSSES: "Expenses:Dispute-Losses",
}
OWN: Final = "Id-"
# In this order: the hyphen first, because the others bring one.
ESCAPES: Final = (("-", "-2D"), ("_", "-5F"), (".", "-2E"), (":", "-3A"))
_ESCAPED = re.compile(r"-([0-9A-F]{2})")


def own_part(account_id: str) -> str:
    """The last part of the names of a customer's own ledger accounts."""
    for letter, escape in ESCAPES:
        account_id = account_id.replace(letter, escape)
    return OWN + account_id


def account_of(own: str) -> str:
    """The account id that `own_part` wrote."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), own.removeprefix(OWN))
