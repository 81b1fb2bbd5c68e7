"""What customers' usage costs them, in the columns of FOCUS, by day, account, model, size tier and quality.

Credits are FOCUS's virtual currency: what is bought is billed when it is bought (`Purchase`, with no effective cost), and what is used then costs nothing more: its
effective cost is what was paid for the credits that it drew, by each grant's cost basis. What no grant has covered
yet costs nothing until it is paid.
"""

from dataclasses import dataclass
from typing import Final

from billing.books.exports.reports.focus import ORDER, SELECT
from billing.books.exports.reports.slices import SUMMED_UP, Extent, literal
from billing.core.document import DOCUMENT
from billing.store.billed import BILLED
from billing.store.connection import Connection

# Everything that was billed or given back for a charge, with the transfers that say from which grants.
_LINE: Final = "coalesce({event_id}, '') AS event_id, " + ", ".join(
    f"{{{name}}} AS {name}"
    for name in (
        "event", "account_id", "request_id", "at", "settled_at", "first_seq", "last_seq", "model", "quality", "price_version",
        "size_tier", "price", "images", "credits",
    )
)  # fmt: skip
_EVENTS: Final = "SELECT DISTINCT event, event_id, account_id, request_id, first_seq, last_seq FROM line"
# What each drew on: grants, or a debt that grants have paid since.
_DRAWN: Final = """
    FROM event e
    JOIN transfer t ON t.account_id = e.account_id AND t.request_id = e.request_id AND t.book = 'wallet'
        AND t.kind IN ('settle', 'refund', 'supplement', 'reduction') AND t.seq BETWEEN e.first_seq AND e.last_seq"""
_SHARES: Final = f"""
    SELECT e.event, e.event_id, e.account_id, e.request_id, t.debit, t.grant_id, t.amount AS credits {_DRAWN}
    WHERE t.grant_id IS NOT NULL
    UNION ALL
    SELECT e.event, e.event_id, e.account_id, e.request_id, t.debit, f.grant_id, f.credits {_DRAWN}
    JOIN fill f ON f.account_id = t.account_id AND f.seq = t.seq
    JOIN transfer p ON p.account_id = f.account_id AND p.book = 'wallet' AND p.seq = f.paid_by_seq
    WHERE t.grant_id IS NULL AND p.posted_at <= {{as_of}}"""
_MONEY: Final = """
    SELECT s.event, s.event_id, s.account_id, s.request_id, g.currency, sum(s.credits) AS drawn,
        sum(CASE s.debit WHEN 'wallet' THEN 1 ELSE -1 END * s.credits * g.paid_micros::numeric / g.granted) AS micros
    FROM share s JOIN "grant" g ON g.account_id = s.account_id AND g.grant_id = s.grant_id AND g.currency IS NOT NULL
    GROUP BY s.event, s.event_id, s.account_id, s.request_id, g.currency"""
# A charge that drew on grants of two currencies has a row in each, with its part of the images: nine decimals of it, and
# the rest where it cost most, so that parts sum to the whole.
_PARTS: Final = """
    SELECT event, event_id, account_id, request_id, currency, micros,
        CASE row_number() OVER (charge ORDER BY abs(micros) DESC, currency)
            WHEN 1 THEN 1 - sum(part) OVER charge + part ELSE part END AS part
    FROM (
        SELECT *, round(drawn::numeric / nullif(sum(drawn) OVER charge, 0), 9) AS part FROM money
        WINDOW charge AS (PARTITION BY event, event_id, account_id, request_id)) each
    WINDOW charge AS (PARTITION BY event, event_id, account_id, request_id)"""
_PRICED: Final = f"""
    SELECT l.*, m.currency, coalesce(m.part, 1) AS part,
        CASE WHEN t.credits = 0 THEN 0 ELSE m.micros * l.credits / t.credits END AS micros
    FROM line l
    JOIN (SELECT event, event_id, account_id, request_id, sum(credits) AS credits FROM line GROUP BY 1, 2, 3, 4) t
        USING (event, event_id, account_id, request_id)
    LEFT JOIN ({_PARTS}) m USING (event, event_id, account_id, request_id)"""
# What is given back or corrected is told in credits, apart from what is taken: so a price times its quantity is a cost.
_USAGE: Final = """
    SELECT account_id, at::date AS day, 'Usage' AS category,
        CASE WHEN date_trunc('month', settled_at) < date_trunc('month', at) THEN 'Correction' END AS class,
        CASE WHEN event = 'settle' THEN '' ELSE event END AS reason, model, size_tier, quality, price_version, currency, price,
        NULL::bigint AS granted, NULL::bigint AS paid_micros,
        CASE WHEN event = 'settle' THEN 0 ELSE sign(credits) END AS side, images * part AS images, credits * part AS credits,
        CASE WHEN event = 'settle' THEN images ELSE credits END * part AS quantity, 0::numeric AS billed,
        coalesce(micros, 0) AS micros
    FROM priced
    WHERE NOT (event = 'settle' AND images = 0)"""
_BOUGHT: Final = """
    SELECT account_id, effective_at::date, 'Purchase',
        CASE WHEN date_trunc('month', created_at) < date_trunc('month', effective_at) THEN 'Correction' END,
        CASE WHEN kind LIKE 'purchase%' THEN '' ELSE split_part(kind, '_', 1) END, NULL, NULL, NULL, NULL::integer, asset,
        NULL::bigint, granted, paid_micros, sign(amount), 0, 0,
        round(granted::numeric * amount / nullif(paid_micros, 0), 9), amount, 0
    FROM (
        SELECT t.account_id, t.effective_at, t.kind, t.asset, g.created_at, g.granted, g.paid_micros,
            CASE WHEN t.credit = 'deferred_revenue' OR t.kind ~ '(failed|undone)$' THEN t.amount ELSE -t.amount END AS amount
        FROM transfer t JOIN "grant" g ON g.account_id = t.account_id AND g.grant_id = t.grant_id
        WHERE t.book = 'money' AND {bought} AND t.kind IN (
            'purchase_bank', 'purchase_stripe_clearing', 'card_refund', 'card_refund_deferred', 'card_refund_failed',
            'card_refund_deferred_failed', 'dispute_lost', 'dispute_lost_deferred', 'dispute_lost_undone',
            'dispute_lost_deferred_undone')) paid"""
_SUMS: Final = """
    SELECT account_id, day, category, class, reason, model, size_tier, quality, price_version, currency, price, granted,
        paid_micros, sum(images) AS images, sum(credits) AS credits, coalesce(sum(quantity), 0) AS quantity,
        sum(billed) / 1000000 AS billed, sum(micros) / 1000000 AS effective
    FROM ({usage} UNION ALL {bought}) row
    GROUP BY account_id, day, category, class, reason, model, size_tier, quality, price_version, currency, price, granted,
        paid_micros, side"""
# Credits that cost nothing are billed in no currency: such a row takes the one that the account last paid in.
_CURRENCY: Final = """
    coalesce(s.currency, (SELECT g.currency FROM "grant" g WHERE g.account_id = s.account_id AND g.currency IS NOT NULL
        AND g.created_at <= {as_of} ORDER BY g.created_at DESC, g.grant_id LIMIT 1), 'USD')"""
_ROWS: Final = f"""
    SELECT s.*, s.category = 'Purchase' AS bought, a.name, {_CURRENCY} AS billing_currency, round(s.quantity, 9) AS n,
        round(CASE s.category WHEN 'Purchase' THEN s.billed ELSE s.effective END, 9) AS cost
    FROM summed s LEFT JOIN account a ON a.account_id = s.account_id"""


@dataclass(frozen=True, slots=True)
class CostTotal:
    """What the costs of one category in one currency come to, by the names of FOCUS: exact decimals, as text."""

    __pydantic_config__ = DOCUMENT
    BillingCurrency: str
    """ISO 4217"""
    ChargeCategory: str
    """`Purchase` or `Usage`"""
    BilledCost: str
    """in whole units of the currency; below 0 where more went back"""
    EffectiveCost: str
    """in whole units of the currency; below 0 where more went back"""
    PricingCurrencyEffectiveCost: str
    """in credits; below 0 where more went back"""


COST_SUMS: Final = ("BilledCost", "EffectiveCost", "PricingCurrencyEffectiveCost")


def costs(extent: Extent, select: str, *, ordered: bool = True) -> str:
    """The query whose rows are the report; `select` is a list over FOCUS's columns."""
    bought = extent.holds("t.effective_at", "t.account_id") + f" AND t.posted_at <= {literal(extent.as_of)}"
    as_of = literal(extent.as_of)
    billed = (f"{by.lines(_LINE)} AND {extent.holds(by.columns['at'], 'c.account_id')}" for by in BILLED)
    sums = _SUMS.format(usage=_USAGE, bought=_BOUGHT.format(bought=bought))
    return f"""
        WITH line AS MATERIALIZED ({" UNION ALL ".join(billed)}), event AS MATERIALIZED ({_EVENTS}),
            share AS ({_SHARES.format(as_of=as_of)}), money AS MATERIALIZED ({_MONEY}), priced AS ({_PRICED}), summed AS ({sums}),
            focus AS (SELECT {SELECT} FROM ({_ROWS.format(as_of=as_of)}) s)
        SELECT {select} FROM focus f{f" ORDER BY {ORDER}" if ordered else ""}"""


async def summed_costs(connection: Connection, extent: Extent) -> tuple[int, list[CostTotal]]:
    """How many rows the report has, and by currency and category what they come to."""
    sums = ", ".join(f'sum(f."{name}")::text' for name in COST_SUMS)
    query = costs(extent, f'f."BillingCurrency", f."ChargeCategory", {sums}, count(*)', ordered=False)
    await connection.execute(SUMMED_UP)
    found = await connection.fetch(f"{query} GROUP BY 1, 2 ORDER BY 1, 2")
    return sum(row[-1] for row in found), [CostTotal(*row[:-1]) for row in map(tuple, found)]
