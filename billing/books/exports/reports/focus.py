"""The columns of FOCUS, the FinOps Open Cost and Usage Specification (https://focus.finops.org), and what stands in them.

All of a version's columns are there; what has no meaning here (commitments, regions, split costs) is null. Expressions
are over `s`, a row of `billing.books.exports.reports.costs`: `n` units of what is priced, that came to `cost` in money.

Prices have 18 decimals, so that price times quantity, rounded to the nine decimals of a cost, is that cost: what a
grant's credits cost seldom ends. Days begin on the second, and FOCUS writes instants without a fraction.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from billing.books.exports.reports.columns import Column, Kind

VERSIONS: Final = ("1.2", "1.3")
_DAY: Final = "s.day::timestamp"
_MONTH: Final = f"date_trunc('month', {_DAY})"
_UNIT_PRICE: Final = """CASE WHEN s.bought THEN round(s.paid_micros * 0.000001, 18) / s.granted
    WHEN s.n = 0 THEN 0 ELSE round(s.cost, 18) / s.n END"""
_IN_CREDITS: Final = f"CASE WHEN s.bought THEN {_UNIT_PRICE} WHEN s.reason = '' THEN s.price ELSE 1 END"
_PROVIDER: Final = "'billing'"
_SKU: Final = "CASE WHEN s.bought THEN 'credits' ELSE concat_ws('/', s.model, s.size_tier, s.quality) END"
_UNIT: Final = "CASE WHEN s.bought OR s.reason <> '' THEN 'Credits' ELSE 'Images' END"


class _Told(NamedTuple):
    """`since`: the version that brought the column, where that is not 1.2."""

    kind: Kind
    sql: str = "NULL::text"
    optional: bool = True
    since: str = VERSIONS[0]


def _always(kind: Kind, sql: str, since: str = VERSIONS[0]) -> _Told:
    return _Told(kind, sql, optional=False, since=since)


def _number(sql: str) -> str:
    return f"round({sql}, 9)"


_NO_NUMBER: Final = _Told("decimal", "NULL::numeric")
_COLUMNS: Final[Mapping[str, _Told]] = {
    "AllocatedMethodDetails": _Told("word", since="1.3"),
    "AllocatedMethodId": _Told("word", since="1.3"),
    "AllocatedResourceId": _Told("word", since="1.3"),
    "AllocatedResourceName": _Told("word", since="1.3"),
    "AllocatedTags": _Told("word", since="1.3"),
    "AvailabilityZone": _Told("word"),
    "BilledCost": _always("decimal", "round(s.billed, 6)"),
    "BillingAccountId": _always("identifier", "s.account_id"),
    "BillingAccountName": _always("text", "coalesce(nullif(trim(s.name), ''), s.account_id)"),
    "BillingAccountType": _always("word", "'Account'"),
    "BillingCurrency": _always("word", "s.billing_currency"),
    "BillingPeriodEnd": _always("time", f"({_MONTH} + interval '1 month') AT TIME ZONE 'UTC'"),
    "BillingPeriodStart": _always("time", f"{_MONTH} AT TIME ZONE 'UTC'"),
    "CapacityReservationId": _Told("word"),
    "CapacityReservationStatus": _Told("word"),
    "ChargeCategory": _always("word", "s.category"),
    "ChargeClass": _Told("word", "s.class"),
    "ChargeDescription": _always(
        "text",
        """CASE WHEN s.bought THEN
            CASE s.reason WHEN '' THEN 'Credits bought' WHEN 'card' THEN 'Credits returned for a refund' ELSE 'Credits lost to a dispute' END
            ELSE CASE s.reason WHEN '' THEN '' WHEN 'refund' THEN 'Refund: ' ELSE 'Correction: ' END
                || concat_ws(', ', s.model, s.size_tier, s.quality) END""",
    ),
    "ChargeFrequency": _always("word", "CASE WHEN s.bought THEN 'One-Time' ELSE 'Usage-Based' END"),
    "ChargePeriodEnd": _always("time", f"({_DAY} + interval '1 day') AT TIME ZONE 'UTC'"),
    "ChargePeriodStart": _always("time", f"{_DAY} AT TIME ZONE 'UTC'"),
    "CommitmentDiscountCategory": _Told("word"),
    "CommitmentDiscountId": _Told("word"),
    "CommitmentDiscountName": _Told("word"),
    "CommitmentDiscountQuantity": _NO_NUMBER,
    "CommitmentDiscountStatus": _Told("word"),
    "CommitmentDiscountType": _Told("word"),
    "CommitmentDiscountUnit": _Told("word"),
    "ConsumedQuantity": _Told("decimal", f"CASE WHEN NOT s.bought THEN {_number('s.images')} END"),
    "ConsumedUnit": _Told("word", "CASE WHEN NOT s.bought THEN 'Images' END"),
    "ContractApplied": _Told("word", since="1.3"),
    "ContractedCost": _always("decimal", "s.cost"),
    "ContractedUnitPrice": _always("price", _UNIT_PRICE),
    "EffectiveCost": _always("decimal", _number("s.effective")),
    "HostProviderName": _always("word", _PROVIDER, since="1.3"),
    "InvoiceId": _Told("word"),
    "InvoiceIssuerName": _always("word", _PROVIDER),
    "ListCost": _always("decimal", "s.cost"),
    "ListUnitPrice": _always("price", _UNIT_PRICE),
    "PricingCategory": _always("word", "'Standard'"),
    "PricingCurrency": _always("word", "CASE WHEN s.bought THEN s.billing_currency ELSE 'CREDITS' END"),
    "PricingCurrencyContractedUnitPrice": _always("price", _IN_CREDITS),
    "PricingCurrencyEffectiveCost": _always(
        "decimal", f"CASE WHEN s.bought THEN {_number('0')} ELSE {_number('s.credits')} END"
    ),
    "PricingCurrencyListUnitPrice": _always("price", _IN_CREDITS),
    "PricingQuantity": _always("decimal", "s.n"),
    "PricingUnit": _always("word", _UNIT),
    "ProviderName": _always("word", _PROVIDER),
    "PublisherName": _always("word", _PROVIDER),
    "RegionId": _Told("word"),
    "RegionName": _Told("word"),
    "ResourceId": _Told("word"),
    "ResourceName": _Told("word"),
    "ResourceType": _Told("word"),
    "ServiceCategory": _always("word", "'AI and Machine Learning'"),
    "ServiceName": _always("word", "'Image generation'"),
    "ServiceProviderName": _always("word", _PROVIDER, since="1.3"),
    "ServiceSubcategory": _always("word", "'Generative AI'"),
    "SkuId": _always("text", _SKU),
    "SkuMeter": _always("word", "CASE WHEN s.bought THEN 'Credits' ELSE 'Images' END"),
    "SkuPriceDetails": _Told(
        "text",
        """CASE WHEN NOT s.bought THEN jsonb_strip_nulls(jsonb_build_object('x_Model', s.model, 'x_SizeTier', s.size_tier,
            'x_Quality', s.quality, 'x_PriceVersion', s.price_version::text))::text END""",
    ),
    "SkuPriceId": _always(
        "text",
        f"""{_SKU} || CASE WHEN s.bought THEN concat('/', s.granted, '/', s.paid_micros * 0.000001, '/', s.currency)
            ELSE '/v' || s.price_version || CASE s.reason WHEN '' THEN '' ELSE '/credit' END END""",
    ),
    "SubAccountId": _Told("word"),
    "SubAccountName": _Told("word"),
    "SubAccountType": _Told("word"),
    "Tags": _always("word", "'{}'"),
    "x_Model": _Told("text", "s.model"),
    "x_SizeTier": _Told("word", "s.size_tier"),
    "x_Quality": _Told("word", "s.quality"),
}
SINCE: Final = {name: told.since for name, told in _COLUMNS.items()}
SELECT: Final = ", ".join(
    f'{f"round({told.sql}, 18)" if told.kind == "price" else told.sql} AS "{name}"' for name, told in _COLUMNS.items()
)
ORDER: Final = ", ".join(
    f'f."{name}"' for name in (
        "ChargePeriodStart", "BillingAccountId", "ChargeCategory", "ChargeClass", "SkuPriceId", "BillingCurrency",
        "PricingCurrencyListUnitPrice", "PricingQuantity", "ChargeDescription",
    )
)  # fmt: skip


def columns(version: str) -> tuple[Column, ...]:
    """The columns of `version`, in the order of their names, and then ours."""
    return tuple(
        Column(name, told.kind, f'f."{name}"', told.optional, written=_second(name) if told.kind == "time" else None)
        for name, told in _COLUMNS.items()
        if VERSIONS.index(told.since) <= VERSIONS.index(version)
    )


def _second(name: str) -> str:
    return f"""to_char(f."{name}" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
