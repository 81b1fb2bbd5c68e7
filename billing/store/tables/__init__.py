"""The tables, as queries see them. Columns stand in the order of the core's tuples; the migrations are the law.

Rows are never trusted as domain values: SQLModel does not validate tables. The core's constructors do.
"""

from sqlmodel import SQLModel

from billing.store.tables.announcements import OutboxRow, WebhookDeliveryRow, WebhookEndpointRow
from billing.store.tables.books import ClosingRow, RecognitionRow
from billing.store.tables.column import columns_of
from billing.store.tables.ledger import (
    AccountChangeRow,
    AccountRow,
    ChargeRow,
    CorrectionOutputRow,
    CorrectionReportRow,
    CorrectionTable,
    DebtRow,
    FillRow,
    GrantRow,
    HoldRow,
    OutputRow,
    RefundOutputRow,
    RefundTable,
    ReturnedRow,
    TransferRow,
)
from billing.store.tables.payments import (
    AutoRechargeRow,
    CardRefundRow,
    ClawbackRow,
    DisputeRow,
    ExpiryNoticeRow,
    PayoutItemRow,
    StripeCustomerRow,
    StripeEventRow,
    StripeObjectRow,
    StripeTransactionRow,
    TopupRow,
)
from billing.store.tables.provider import ProviderCostRow, ProviderReportRow, ProviderUsageRow
from billing.store.tables.reconciliation import (
    ManifestRowRow,
    ManifestStagingRow,
    ReconciliationLineRow,
    ReconciliationRow,
)
from billing.store.tables.reference import ApiKeyRow, PackRow, PriceBookRow, SessionRow, SigningKeyRow
from billing.store.tables.usage import UsageDayRow, UsageRow

metadata = SQLModel.metadata

__all__ = [
    "AccountChangeRow",
    "AccountRow",
    "ApiKeyRow",
    "AutoRechargeRow",
    "CardRefundRow",
    "ChargeRow",
    "ClawbackRow",
    "ClosingRow",
    "CorrectionOutputRow",
    "CorrectionReportRow",
    "CorrectionTable",
    "DebtRow",
    "DisputeRow",
    "ExpiryNoticeRow",
    "FillRow",
    "GrantRow",
    "HoldRow",
    "ManifestRowRow",
    "ManifestStagingRow",
    "OutboxRow",
    "OutputRow",
    "PackRow",
    "PayoutItemRow",
    "PriceBookRow",
    "ProviderCostRow",
    "ProviderReportRow",
    "ProviderUsageRow",
    "RecognitionRow",
    "ReconciliationLineRow",
    "ReconciliationRow",
    "RefundOutputRow",
    "RefundTable",
    "ReturnedRow",
    "SessionRow",
    "SigningKeyRow",
    "StripeCustomerRow",
    "StripeEventRow",
    "StripeObjectRow",
    "StripeTransactionRow",
    "TopupRow",
    "TransferRow",
    "UsageDayRow",
    "UsageRow",
    "WebhookDeliveryRow",
    "WebhookEndpointRow",
    "columns_of",
    "metadata",
]
