"""What customers' usage costs them, in the columns of FOCUS 1.2, by day, account, model, size tier and quality.

https://focus.finops.org: the FinOps Open Cost and Usage Specification. Credits are its virtual currency: what is
bought is billed when it is bought (`Purchase`, with no effective cost), and what is used then costs nothing more: its
effective cost is what was paid for the credits that it drew, by each grant's cost basis. What no grant has covered
yet costs nothing until it is paid.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.corrections import LINES, tier_when_refunded
from billing.store.exports.columns import Column, Kind
from billing.store.exports.slices import SUMMED_UP, Scope, literal
from billing.store.snapshot import snapshot

_KINDS: Final[dict[str, Kind]] = {
    "BilledCost": "decimal", "BillingAccountId": "identifier", "BillingAccountName": "text", "BillingCurrency": "word",
    "BillingPeriodEnd": "time", "BillingPeriodStart": "time", "ChargeCategory": "word", "ChargeClass": "word",
    "ChargeDescription": "text", "ChargeFrequency": "word", "ChargePeriodEnd": "time", "ChargePeriodStart": "time",
    "ConsumedQuantity": "decimal", "ConsumedUnit": "word", "ContractedCost": "decimal",
    "ContractedUnitPrice": "decimal", "EffectiveCost": "decimal", "InvoiceIssuerName": "text", "ListCost": "decimal",
    "ListUnitPrice": "decimal", "PricingCategory": "word", "PricingCurrency": "word",
    "PricingCurrencyContractedUnitPrice": "decimal", "PricingCurrencyEffectiveCost": "decimal",
    "PricingCurrencyListUnitPrice": "decimal", "PricingQuantity": "decimal", "PricingUnit": "word",
    "ProviderName": "text", "PublisherName": "text", "RegionId": "word", "RegionName": "word", "ResourceId": "word",
    "ResourceName": "word", "ResourceType": "word", "ServiceCategory": "word", "ServiceName": "text",
    "ServiceSubcategory": "word", "SkuId": "text", "SkuMeter": "word", "SkuPriceId": "text", "SubAccountId": "word",
    "SubAccountName": "word", "Tags": "word", "x_Model": "text", "x_SizeTier": "word", "x_Quality": "word",
}  # fmt: skip
_ALWAYS: Final = (
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory",
    "ContractedCost", "EffectiveCost", "ListCost", "PricingCurrency", "ChargePeriodEnd", "ChargePeriodStart",
)  # fmt: skip
COLUMNS: Final = tuple(Column(name, kind, f'f."{name}"', optional=name not in _ALWAYS) for name, kind in _KINDS.items())
ORDER: Final = ", ".join(
    f'f."{name}"' for name in (
        "ChargePeriodStart", "BillingAccountId", "ChargeCategory", "ChargeClass", "SkuPriceId", "BillingCurrency",
        "PricingCurrencyListUnitPrice", "PricingQuantity",
    )
)  # fmt: skip

# Everything that was billed or given back for a charge, with the transfers that say from which grants.
_EVENTS: Final = """
    SELECT 'settle' AS event, '' AS event_id, c.account_id, c.request_id, c.resolved_at AS at, c.resolved_at AS settled_at,
        c.first_seq, c.last_seq, c.model, c.billed_quality AS quality, c.price_version
    FROM charge c WHERE c.status = 'settled' AND {settled}
    UNION ALL
    SELECT 'refund', r.refund_id, r.account_id, r.request_id, r.created_at, c.resolved_at, r.first_seq, r.last_seq, c.model,
        c.billed_quality, c.price_version
    FROM refund r JOIN charge c ON c.account_id = r.account_id AND c.request_id = r.request_id WHERE {refunded}
    UNION ALL
    SELECT 'correction', k.correction_id, k.account_id, k.request_id, k.created_at, c.resolved_at, k.first_seq, k.last_seq,
        c.model, c.billed_quality, c.price_version
    FROM correction k JOIN charge c ON c.account_id = k.account_id AND c.request_id = k.request_id WHERE {corrected}"""
_LINES: Final = f"""
    SELECT e.event, e.event_id, o.account_id, o.request_id, o.size_tier, o.credits AS price,
        (o.status = 'succeeded')::integer AS images, o.credits
    FROM event e JOIN output o ON o.account_id = e.account_id AND o.request_id = e.request_id WHERE e.event = 'settle'
    UNION ALL
    SELECT e.event, e.event_id, r.account_id, r.request_id, {tier_when_refunded()}, NULL, 0, -(part ->> 1)::bigint
    FROM event e JOIN refund r ON r.account_id = e.account_id AND r.refund_id = e.event_id
    CROSS JOIN LATERAL jsonb_array_elements(r.outputs::jsonb) part
    JOIN output o ON o.account_id = r.account_id AND o.request_id = r.request_id AND o.index = (part ->> 0)::integer
    WHERE e.event = 'refund'
    UNION ALL
    SELECT e.event, e.event_id, k.account_id, k.request_id, line.size_tier, NULL,
        line.sign * (line.status = 'succeeded')::integer, line.sign * line.credits
    FROM event e JOIN correction k ON k.account_id = e.account_id AND k.correction_id = e.event_id {LINES}
    WHERE e.event = 'correction'"""
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
    SELECT s.event, s.event_id, s.account_id, s.request_id, g.currency,
        sum(CASE s.debit WHEN 'wallet' THEN 1 ELSE -1 END * s.credits * g.paid_micros::numeric / g.granted) AS micros
    FROM share s JOIN "grant" g ON g.account_id = s.account_id AND g.grant_id = s.grant_id AND g.currency IS NOT NULL
    GROUP BY s.event, s.event_id, s.account_id, s.request_id, g.currency"""
# A charge that drew on grants of two currencies has a row in each; its images stand in the one that it cost most in.
_PRICED: Final = """
    SELECT l.*, e.at, e.settled_at, e.model, e.quality, e.price_version, m.currency, m.place,
        CASE WHEN t.credits = 0 THEN 0 ELSE m.micros * l.credits / t.credits END AS micros
    FROM line l
    JOIN event e USING (event, event_id, account_id, request_id)
    JOIN (SELECT event, event_id, account_id, request_id, sum(credits) AS credits FROM line GROUP BY 1, 2, 3, 4) t
        USING (event, event_id, account_id, request_id)
    LEFT JOIN (
        SELECT *, row_number() OVER (
            PARTITION BY event, event_id, account_id, request_id ORDER BY abs(micros) DESC, currency) AS place
        FROM money) m USING (event, event_id, account_id, request_id)"""
_USAGE: Final = """
    SELECT account_id, at::date AS day, 'Usage' AS category,
        CASE WHEN date_trunc('month', settled_at) < date_trunc('month', at) THEN 'Correction' END AS class,
        CASE WHEN event = 'settle' THEN '' ELSE event END AS reason, model, size_tier, quality, price_version, currency,
        price, CASE WHEN coalesce(place, 1) = 1 THEN images ELSE 0 END AS images,
        CASE WHEN coalesce(place, 1) = 1 THEN credits ELSE 0 END AS credits, 0::numeric AS billed, coalesce(micros, 0) AS micros
    FROM priced
    WHERE NOT (event = 'settle' AND images = 0)"""
_BOUGHT: Final = """
    SELECT t.account_id, t.effective_at::date, 'Purchase',
        CASE WHEN date_trunc('month', g.created_at) < date_trunc('month', t.effective_at) THEN 'Correction' END,
        CASE WHEN t.kind LIKE 'purchase%' THEN '' ELSE split_part(t.kind, '_', 1) END, NULL, NULL, NULL, NULL::integer, t.asset,
        NULL::bigint, 0, CASE WHEN t.kind LIKE 'purchase%' THEN g.granted ELSE 0 END,
        CASE WHEN t.credit = 'deferred_revenue' OR t.kind LIKE '%failed' THEN t.amount ELSE -t.amount END, 0
    FROM transfer t JOIN "grant" g ON g.account_id = t.account_id AND g.grant_id = t.grant_id
    WHERE t.book = 'money' AND {bought} AND t.kind IN (
        'purchase_bank', 'purchase_stripe_clearing', 'card_refund', 'card_refund_deferred', 'card_refund_failed',
        'card_refund_deferred_failed', 'dispute_lost', 'dispute_lost_deferred')"""
_SUMS: Final = """
    SELECT account_id, day, category, class, reason, model, size_tier, quality, price_version, currency, price,
        sum(images) AS images, sum(credits) AS credits, sum(billed) / 1000000 AS billed, sum(micros) / 1000000 AS effective
    FROM ({usage} UNION ALL {bought}) row GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"""
# Credits that cost nothing are billed in no currency: such a row takes the one that the account last paid in.
_CURRENCY: Final = """
    coalesce(s.currency, (SELECT g.currency FROM "grant" g WHERE g.account_id = s.account_id AND g.currency IS NOT NULL
        AND g.created_at <= {as_of} ORDER BY g.created_at DESC, g.grant_id LIMIT 1), 'USD')"""
_FOCUS: Final = f"""
    SELECT round(s.billed, 6) AS "BilledCost", s.account_id AS "BillingAccountId", a.name AS "BillingAccountName",
        {_CURRENCY} AS "BillingCurrency", (date_trunc('month', s.day::timestamp) + interval '1 month') AT TIME ZONE 'UTC' AS "BillingPeriodEnd",
        date_trunc('month', s.day::timestamp) AT TIME ZONE 'UTC' AS "BillingPeriodStart", s.category AS "ChargeCategory",
        s.class AS "ChargeClass",
        CASE WHEN s.category = 'Purchase' THEN CASE s.reason WHEN '' THEN 'Credits bought' WHEN 'card' THEN 'Credits returned for a refund' ELSE 'Credits lost to a dispute' END
            ELSE CASE s.reason WHEN '' THEN '' WHEN 'refund' THEN 'Refund: ' ELSE 'Correction: ' END
                || concat_ws(', ', s.model, s.size_tier, s.quality) END AS "ChargeDescription",
        CASE WHEN s.category = 'Purchase' THEN 'One-Time' ELSE 'Usage-Based' END AS "ChargeFrequency",
        (s.day::timestamp + interval '1 day') AT TIME ZONE 'UTC' AS "ChargePeriodEnd", s.day::timestamp AT TIME ZONE 'UTC' AS "ChargePeriodStart",
        CASE WHEN s.category = 'Usage' AND s.class IS NULL THEN s.images END AS "ConsumedQuantity",
        CASE WHEN s.category = 'Usage' AND s.class IS NULL THEN 'Images' END AS "ConsumedUnit",
        round(CASE s.category WHEN 'Purchase' THEN s.billed ELSE s.effective END, 9) AS "ContractedCost",
        NULL::numeric AS "ContractedUnitPrice",
        round(s.effective, 9) AS "EffectiveCost", 'billing' AS "InvoiceIssuerName",
        round(CASE s.category WHEN 'Purchase' THEN s.billed ELSE s.effective END, 9) AS "ListCost", NULL::numeric AS "ListUnitPrice",
        'Standard' AS "PricingCategory", CASE s.category WHEN 'Purchase' THEN s.currency ELSE 'CREDITS' END AS "PricingCurrency",
        CASE WHEN s.class IS NULL THEN s.price END AS "PricingCurrencyContractedUnitPrice",
        CASE s.category WHEN 'Purchase' THEN 0 ELSE s.credits END AS "PricingCurrencyEffectiveCost",
        CASE WHEN s.class IS NULL THEN s.price END AS "PricingCurrencyListUnitPrice",
        CASE s.category WHEN 'Purchase' THEN s.credits ELSE s.images END AS "PricingQuantity",
        CASE s.category WHEN 'Purchase' THEN 'Credits' ELSE 'Images' END AS "PricingUnit",
        'billing' AS "ProviderName", 'billing' AS "PublisherName", NULL::text AS "RegionId", NULL::text AS "RegionName",
        NULL::text AS "ResourceId", NULL::text AS "ResourceName", NULL::text AS "ResourceType",
        'AI and Machine Learning' AS "ServiceCategory", 'Image generation' AS "ServiceName", 'Generative AI' AS "ServiceSubcategory",
        CASE s.category WHEN 'Purchase' THEN 'credits' ELSE concat_ws('/', s.model, s.size_tier, s.quality) END AS "SkuId",
        CASE s.category WHEN 'Purchase' THEN 'Credits' ELSE 'Images' END AS "SkuMeter",
        CASE s.category WHEN 'Purchase' THEN 'credits' ELSE concat_ws('/', s.model, s.size_tier, s.quality, 'v' || s.price_version) END AS "SkuPriceId",
        NULL::text AS "SubAccountId", NULL::text AS "SubAccountName", '{{{{}}}}' AS "Tags",
        s.model AS "x_Model", s.size_tier AS "x_SizeTier", s.quality AS "x_Quality"
    FROM summed s LEFT JOIN account a ON a.account_id = s.account_id"""


def costs(scope: Scope, select: str, *, ordered: bool = True) -> str:
    """The query whose rows are the report; `select` is a list over COLUMNS."""
    bounds = {
        name: _within(scope, moment, account)
        for name, moment, account in (
            ("settled", "c.resolved_at", "c.account_id"),
            ("refunded", "r.created_at", "r.account_id"),
            ("corrected", "k.created_at", "k.account_id"),
        )
    }
    bought = _within(scope, "t.effective_at", "t.account_id") + f" AND t.posted_at <= {literal(scope.as_of)}"
    as_of = literal(scope.as_of)
    sums = _SUMS.format(usage=_USAGE, bought=_BOUGHT.format(bought=bought))
    return f"""
        WITH event AS MATERIALIZED ({_EVENTS.format(**bounds)}), line AS MATERIALIZED ({_LINES}),
            share AS ({_SHARES.format(as_of=as_of)}), money AS MATERIALIZED ({_MONEY}), priced AS ({_PRICED}), summed AS ({sums}),
            focus AS ({_FOCUS.format(as_of=as_of)})
        SELECT {select} FROM focus f{f" ORDER BY {ORDER}" if ordered else ""}"""


async def summed_costs(engine: AsyncEngine, scope: Scope) -> tuple[int, list[dict[str, str]]]:
    """How many rows the report has, and by currency and category what they come to, as decimals."""
    names = ("BilledCost", "EffectiveCost", "PricingCurrencyEffectiveCost")
    sums = ", ".join(f'sum(f."{name}")::text' for name in names)
    query = costs(scope, f'f."BillingCurrency", f."ChargeCategory", count(*), {sums}', ordered=False)
    async with snapshot(engine) as connection:
        await connection.execute(SUMMED_UP)
        found = await connection.fetch(f"{query} GROUP BY 1, 2 ORDER BY 1, 2")
    entries = [
        dict(zip(("BillingCurrency", "ChargeCategory", *names), (*row[:2], *row[3:]), strict=True)) for row in found
    ]
    return sum(row[2] for row in found), entries


def _within(scope: Scope, moment: str, account: str) -> str:
    bounds = [f"{moment} <= {literal(scope.as_of)}"]
    if scope.account_id is not None:
        bounds.append(f"{account} = {literal(scope.account_id)}")
    if scope.start is not None:
        bounds.append(f"{moment} >= {literal(scope.start)}")
    if scope.end is not None:
        bounds.append(f"{moment} < {literal(scope.end)}")
    return " AND ".join(bounds)
