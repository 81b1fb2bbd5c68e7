"""Charges over HTTP: what a gateway sends and what it is told."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from billing.core import commands
from billing.core.answers import ChargeAnswer
from billing.core.charges import Charge, Output, Reported
from billing.core.sizes import MAX_EDGE
from billing.core.wallet import Balance, CorrectionRow, RefundRow
from billing.http.models.common import PRINTABLE, Body, Credits, Identifier, Labels, Shown, Text

Word = Annotated[str, Field(pattern=PRINTABLE, max_length=64)]
Pixels = Annotated[int, Field(ge=1, le=MAX_EDGE, description="measured from the image's header")]


class ReportedOutput(Body):
    index: Annotated[int, Field(ge=0, le=MAX_EDGE)]
    status: Literal["succeeded", "failed"]
    width: Pixels | None = None
    height: Pixels | None = None
    reason: Text | None = None

    def reported(self) -> Reported:
        return Reported(self.index, self.status, self.width, self.height, self.reason)


Outputs = Annotated[list[ReportedOutput], Field(max_length=commands.OUTPUTS_MAX)]


class NewCharge(Body):
    """A request for images. With `outputs` it is charged in one step."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "req-1",
                    "model": "gpt-image-2",
                    "n": 2,
                    "size": "2048x1152",
                    "quality": "medium",
                },
                {
                    "request_id": "req-2",
                    "model": "gpt-image-2",
                    "size": "4K",
                    "quality": "high",
                    "outputs": [{"index": 0, "status": "succeeded", "width": 1672, "height": 941}],
                },
            ]
        }
    )
    request_id: Identifier
    model: Word
    operation: Literal["generation", "edit"] = "generation"
    mode: Literal["sync", "async"] = "sync"
    n: Annotated[int, Field(ge=1, le=commands.N_MAX)] = 1
    size: Annotated[Word, Field(description="`auto`, a tier (`1K`, `2K`, `4K`) or WIDTHxHEIGHT")] = "auto"
    quality: Annotated[Word, Field(description="`auto` is billed as `high`")] = "auto"
    hold_seconds: Annotated[int, Field(ge=commands.HOLD_SECONDS_MIN, le=commands.HOLD_SECONDS_MAX)] = (
        commands.HOLD_SECONDS_DEFAULT
    )
    api_key_id: Annotated[Text, Field(max_length=128)] | None = None
    end_user: Annotated[Text, Field(max_length=256)] | None = None
    metadata: Labels | None = None
    price_version: (
        Annotated[int, Field(ge=1, le=2**31 - 1, description="binding: 409 if another applies by now")] | None
    ) = None
    outputs: Outputs | None = None

    def command(self, account_id: str) -> commands.Authorize:
        return commands.Authorize(
            account_id,
            self.request_id,
            self.model,
            self.operation,
            self.mode,
            self.n,
            self.size,
            self.quality,
            self.hold_seconds,
            self.api_key_id,
            self.end_user,
            self.metadata,
            self.price_version,
            None if self.outputs is None else tuple([one.reported() for one in self.outputs]),
        )


class Settlement(Body):
    """What came back. Indexes below n that are missing count as failed; `[]` settles at 0."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "outputs": [
                    {"index": 0, "status": "succeeded", "width": 2048, "height": 1152},
                    {"index": 1, "status": "failed", "reason": "content policy"},
                ]
            }
        }
    )
    outputs: Outputs
    force: Annotated[bool, Field(description="settle a voided or long expired charge: it was delivered")] = False

    def command(self, account_id: str, request_id: str) -> commands.Settle:
        return commands.Settle(account_id, request_id, tuple([one.reported() for one in self.outputs]), self.force)


class Voiding(Body):
    reason: Text | None = None

    def command(self, account_id: str, request_id: str) -> commands.Void:
        return commands.Void(account_id, request_id, self.reason)


class NewRefund(Body):
    """`credits`, or the bills of `outputs`; with neither, all that is left of the bill."""

    refund_id: Identifier
    reason: Text
    credits: Credits | None = None
    outputs: Annotated[list[Annotated[int, Field(ge=0, le=MAX_EDGE)]], Field(min_length=1, max_length=1000)] | None = (
        None
    )

    def command(self, account_id: str, request_id: str) -> commands.Refund:
        outputs = None if self.outputs is None else tuple(self.outputs)
        return commands.Refund(account_id, request_id, self.refund_id, self.reason, self.credits, outputs)


class AuthorizeOrCharge(NewCharge):
    op: Literal["authorize", "charge"]
    account_id: Identifier

    def operation_command(self) -> commands.Command[ChargeAnswer]:
        return self.command(self.account_id)


class SettleOperation(Settlement):
    op: Literal["settle"]
    account_id: Identifier
    request_id: Identifier

    def operation_command(self) -> commands.Command[ChargeAnswer]:
        return self.command(self.account_id, self.request_id)


class VoidOperation(Voiding):
    op: Literal["void"]
    account_id: Identifier
    request_id: Identifier

    def operation_command(self) -> commands.Command[ChargeAnswer]:
        return self.command(self.account_id, self.request_id)


Operation = Annotated[AuthorizeOrCharge | SettleOperation | VoidOperation, Field(discriminator="op")]


class ChargeBalance(Shown):
    """The account's credits after this: `held` stands apart from `posted`, which only bills change."""

    posted: int
    held: int
    available: int


class OutputShown(Shown):
    index: int
    status: Literal["succeeded", "failed"]
    width: int | None
    height: int | None
    size_tier: str | None
    credits: int
    corrected_credits: int
    refunded_credits: int
    flags: tuple[str, ...]
    reason: str | None


class ChargeShown(Shown):
    """A charge as it is now. `held_credits` is what is reserved at this moment.

    Outputs stay as they were settled: what each costs by now is `credits` + `corrected_credits`, which is signed.
    """

    account_id: str
    request_id: str
    status: Literal["authorized", "settled", "voided", "expired"]
    model: str
    operation: str
    mode: str
    n: int
    size: str
    quality: str
    billed_quality: str
    quoted_tier: str
    quoted_credits: int
    held_credits: int
    settled_credits: int
    corrected_credits: int
    refunded_credits: int
    price_version: int
    outputs: list[OutputShown]
    flags: tuple[str, ...]
    api_key_id: str | None
    end_user: str | None
    metadata: dict[str, Any]
    authorized_at: datetime
    expires_at: datetime
    resolved_at: datetime | None
    balance: ChargeBalance | None

    @classmethod
    def of(cls, c: Charge, outputs: Sequence[Output], balance: Balance | None) -> "ChargeShown":
        return cls(
            account_id=c.account_id,
            request_id=c.request_id,
            status=c.status,
            model=c.model,
            operation=c.operation,
            mode=c.mode,
            n=c.n,
            size=c.size,
            quality=c.quality,
            billed_quality=c.billed_quality,
            quoted_tier=c.quoted_tier,
            quoted_credits=c.quoted_credits,
            held_credits=c.held_credits if c.status == "authorized" else 0,
            settled_credits=c.settled_credits,
            corrected_credits=c.corrected_credits,
            refunded_credits=c.refunded_credits,
            price_version=c.price_version,
            outputs=[
                OutputShown(
                    index=o.index,
                    status=o.status,  # type: ignore[arg-type]
                    width=o.width,
                    height=o.height,
                    size_tier=o.size_tier,
                    credits=o.credits,
                    corrected_credits=o.corrected_credits,
                    refunded_credits=o.refunded_credits,
                    flags=o.flags,
                    reason=o.reason,
                )
                for o in outputs
            ],
            flags=c.flags,
            api_key_id=c.api_key_id,
            end_user=c.end_user,
            metadata=json.loads(c.metadata) if c.metadata else {},
            authorized_at=c.authorized_at,
            expires_at=c.expires_at,
            resolved_at=c.resolved_at,
            balance=None
            if balance is None
            else ChargeBalance(posted=balance.posted, held=balance.held, available=balance.available),
        )


class RefundedOutput(Shown):
    index: int
    credits: int


class RefundReturn(Shown):
    """Credits that a refund or a correction returned: drawn from a grant (null: debt) and where they went (null: paid debt)."""

    drawn_from: str | None
    credits: int
    returned_to: str | None


class RefundShown(Shown):
    account_id: str
    request_id: str
    refund_id: str
    credits: int
    reason: str
    outputs: list[RefundedOutput]
    returns: list[RefundReturn]
    created_at: datetime
    charge: ChargeShown | None = None

    @classmethod
    def of(cls, r: RefundRow, charge: ChargeShown | None = None) -> "RefundShown":
        return cls(
            account_id=r.account_id,
            request_id=r.request_id,
            refund_id=r.refund_id,
            credits=r.credits,
            reason=r.reason,
            outputs=[RefundedOutput(index=index, credits=credits) for index, credits, _ in sorted(r.outputs)],
            returns=[
                RefundReturn(drawn_from=drawn, credits=credits, returned_to=to) for drawn, credits, to in r.returns
            ],
            created_at=r.created_at,
            charge=charge,
        )


class CorrectedOutput(Shown):
    """An output as it was really delivered and what it costs since, and how it had stood before."""

    index: int
    status: Literal["succeeded", "failed"]
    width: int | None
    height: int | None
    size_tier: str | None
    credits_before: int
    credits_after: int
    status_before: Literal["succeeded", "failed"]
    size_tier_before: str | None


class CorrectionShown(Shown):
    """A correction of a bill by what was delivered. `credits` is signed: the bill rose by them, or fell."""

    account_id: str
    request_id: str
    correction_id: str
    credits: int
    reason: str
    actor: str
    outputs: list[CorrectedOutput]
    returns: list[RefundReturn]
    created_at: datetime

    @classmethod
    def of(cls, c: CorrectionRow) -> "CorrectionShown":
        return cls(
            account_id=c.account_id,
            request_id=c.request_id,
            correction_id=c.correction_id,
            credits=c.credits,
            reason=c.reason,
            actor=c.actor,
            outputs=[CorrectedOutput.model_validate(one._asdict()) for one in c.outputs],
            returns=[
                RefundReturn(drawn_from=drawn, credits=credits, returned_to=to) for drawn, credits, to in c.returns
            ],
            created_at=c.created_at,
        )
