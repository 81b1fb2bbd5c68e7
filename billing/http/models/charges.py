"""Charges over HTTP: what a gateway sends and what it is told."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from billing.core import commands
from billing.core.answers import ChargeAnswer
from billing.core.charges import Charge, Output, Reported
from billing.core.charges import Status as ChargeStatus
from billing.core.sizes import MAX_EDGE
from billing.core.wallet import Balance, RefundRow
from billing.http.models.common import PRINTABLE, Body, Credits, Identifier, Labels, Shown, Text

OutputStatus = Literal["succeeded", "failed"]
Word = Annotated[str, Field(pattern=PRINTABLE, max_length=64)]
Pixels = Annotated[int, Field(ge=1, le=MAX_EDGE)]


class ReportedOutput(Body):
    """One image: that it came back, or that it did not."""

    index: Annotated[int, Field(ge=0, le=MAX_EDGE)]
    """its place, from 0; each at most once"""
    status: OutputStatus
    """only what succeeded costs anything"""
    width: Pixels | None = None
    """pixels, at least 1, measured from the image's header; null: nobody measured it, and the quoted price applies"""
    height: Pixels | None = None
    """pixels, at least 1, measured from the image's header; null: nobody measured it, and the quoted price applies"""
    reason: Text | None = None
    """why it failed, up to 512 characters; null: nobody says"""

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
    """yours to choose, and kept for ever: 1-64 of A-Z a-z 0-9 _ . : -. Send it again when no answer came"""
    model: Word
    """as the price book in force names it"""
    operation: Literal["generation", "edit"] = "generation"
    """recorded; both cost the same"""
    mode: Literal["sync", "async"] = "sync"
    """recorded; both cost the same"""
    n: Annotated[int, Field(ge=1, le=commands.N_MAX)] = 1
    """images asked for, 1 to 10"""
    size: Word = "auto"
    """`auto`, a tier (`1K`, `2K`, `4K`) or WIDTHxHEIGHT in pixels"""
    quality: Word = "auto"
    """of those that the price book knows; `auto` is billed as `high`"""
    hold_seconds: Annotated[int, Field(ge=commands.HOLD_SECONDS_MIN, le=commands.HOLD_SECONDS_MAX)] = (
        commands.HOLD_SECONDS_DEFAULT
    )
    """how long the hold lasts, 30 to 86,400 seconds: longer than the provider takes"""
    api_key_id: Annotated[Text, Field(max_length=128)] | None = None
    """which of the customer's keys asked, up to 128 characters: usage can be told by it; null: nobody says"""
    end_user: Annotated[Text, Field(max_length=256)] | None = None
    """who asked the customer, up to 256 characters: usage can be told by it; null: nobody says"""
    metadata: Labels | None = None
    """up to 50 labels of yours: text, numbers, booleans or null; null: none"""
    price_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """binding: 409 `price_changed` if another price book applies by now; null: whichever does"""
    outputs: Outputs | None = None
    """what came back: charged in one step; null: authorized only"""

    def command(self, account_id: str) -> commands.Authorize:
        outputs = None if self.outputs is None else tuple([one.reported() for one in self.outputs])
        asked = self.__dict__ | {"account_id": account_id, "outputs": outputs}
        asked.pop("op", None)  # which operation of a batch it is
        return commands.Authorize(**asked)


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
    """in any order, at most 1,000"""
    force: bool = False
    """settle a voided or long expired charge all the same: it was delivered"""

    def command(self, account_id: str, request_id: str) -> commands.Settle:
        return commands.Settle(account_id, request_id, tuple([one.reported() for one in self.outputs]), self.force)


class Voiding(Body):
    reason: Text | None = None
    """up to 512 characters, kept with the charge; null: nobody says"""

    def command(self, account_id: str, request_id: str) -> commands.Void:
        return commands.Void(account_id, request_id, self.reason)


class NewRefund(Body):
    """`credits`, or the bills of `outputs`; with neither, all that is left of the bill."""

    refund_id: Identifier
    """yours to choose, and kept for ever: 1-64 of A-Z a-z 0-9 _ . : -"""
    reason: Text
    """up to 512 characters; the customer sees it"""
    credits: Credits | None = None
    """whole credits, from 1 to what is left of the bill; null: those of `outputs`"""
    outputs: Annotated[list[Annotated[int, Field(ge=0, le=MAX_EDGE)]], Field(min_length=1, max_length=1000)] | None = (
        None
    )
    """indexes of outputs whose bills are returned; null: `credits`, or without them all that is left"""

    def command(self, account_id: str, request_id: str) -> commands.Refund:
        outputs = None if self.outputs is None else tuple(self.outputs)
        return commands.Refund(account_id, request_id, self.refund_id, self.reason, self.credits, outputs)


class AuthorizeOrCharge(NewCharge):
    op: Literal["authorize", "charge"]
    """`charge` needs `outputs`: it is charged in one step"""
    account_id: Identifier
    """whose charge it is"""

    def operation_command(self) -> commands.Command[ChargeAnswer]:
        return self.command(self.account_id)


class SettleOperation(Settlement):
    op: Literal["settle"]
    """bills what came back"""
    account_id: Identifier
    """whose charge it is"""
    request_id: Identifier
    """which charge it is"""

    def operation_command(self) -> commands.Command[ChargeAnswer]:
        return self.command(self.account_id, self.request_id)


class VoidOperation(Voiding):
    op: Literal["void"]
    """releases the hold"""
    account_id: Identifier
    """whose charge it is"""
    request_id: Identifier
    """which charge it is"""

    def operation_command(self) -> commands.Command[ChargeAnswer]:
        return self.command(self.account_id, self.request_id)


Operation = Annotated[AuthorizeOrCharge | SettleOperation | VoidOperation, Field(discriminator="op")]


class ChargeBalance(Shown):
    """The account's whole credits after this: `held` stands apart from `posted`, which only bills change."""

    posted: int
    """whole credits: the sum of all transfers of the wallet; below 0 for debt"""
    held: int
    """whole credits that open holds reserve, 0 or more"""
    available: int
    """whole credits that a new request may come to; below 0 nothing may be asked for"""


class OutputShown(Shown):
    """One image that was asked for or came back. What it costs by now is `credits` + `corrected_credits`."""

    index: int
    """its place, from 0"""
    status: OutputStatus
    """as it was settled: only what succeeded costs anything"""
    width: int | None
    """pixels, as it was settled; null: not measured"""
    height: int | None
    """pixels, as it was settled; null: not measured"""
    size_tier: str | None
    """the tier whose price it was billed at; null: it costs nothing"""
    credits: int
    """whole credits that it was billed at, 0 or more"""
    corrected_credits: int
    """whole credits that corrections have added to its bill since; below 0 for what they took off"""
    refunded_credits: int
    """whole credits of its bill that were returned, 0 or more"""
    flags: tuple[str, ...]
    """`capped`, `unmeasured`, `unpriced_size`, `unrequested`; empty: none"""
    reason: str | None
    """why it failed, as it was reported; `not_reported`; null: nobody says"""


class ChargeShown(Shown):
    """A charge as it is now, in whole credits. Outputs stay as they were settled."""

    account_id: str
    """whose it is"""
    request_id: str
    """as the gateway chose it"""
    status: ChargeStatus
    """`authorized`: held, and not settled yet; `settled`: billed; `voided`, `expired`: the hold ended without a bill"""
    model: str
    """as it was asked for"""
    operation: str
    """`generation` or `edit`"""
    mode: str
    """`sync` or `async`"""
    n: int
    """images asked for, 1 to 10"""
    size: str
    """as it was asked for: `auto`, a tier or WIDTHxHEIGHT in pixels"""
    quality: str
    """as it was asked for"""
    billed_quality: str
    """the quality whose prices apply"""
    quoted_tier: str
    """the size tier that the request was quoted at"""
    quoted_credits: int
    """whole credits that all its images were quoted at, 0 or more"""
    held_credits: int
    """whole credits that it reserves at this moment, 0 or more"""
    settled_credits: int
    """whole credits that it was billed when it was settled, 0 or more"""
    corrected_credits: int
    """whole credits that corrections have added to the bill since; below 0 for what they took off"""
    refunded_credits: int
    """whole credits of the bill that were returned, 0 or more"""
    price_version: int
    """of the price book that it is priced by, to its end"""
    outputs: list[OutputShown]
    """in the order of their indexes; empty until it is settled"""
    flags: tuple[str, ...]
    """its outputs' flags and its own, `late`, `forced`, `overdrawn`; empty: none"""
    api_key_id: str | None
    """which of the customer's keys asked; null: nobody said"""
    end_user: str | None
    """who asked the customer; null: nobody said"""
    metadata: dict[str, Any]
    """the labels that it was sent with; empty: none"""
    authorized_at: datetime
    """RFC 3339 in UTC"""
    expires_at: datetime
    """when its hold ends, or would have, RFC 3339 in UTC"""
    resolved_at: datetime | None
    """when it was settled or voided, or expired, RFC 3339 in UTC; null: it is open"""
    balance: ChargeBalance | None
    """the account's credits after this; null in lists"""

    @classmethod
    def of(cls, charge: Charge, outputs: Sequence[Output], balance: Balance | None = None) -> "ChargeShown":
        return cls.like(
            charge,
            held_credits=charge.held_credits if charge.status == "authorized" else 0,
            outputs=outputs,
            metadata=json.loads(charge.metadata) if charge.metadata else {},
            balance=balance,
        )


class RefundedOutput(Shown):
    """What was returned of one output's bill."""

    index: int
    """of the output, from 0"""
    credits: int
    """whole credits, at least 1"""


class RefundReturn(Shown):
    """Credits that a refund or a correction returned: where they had come from, and where they went."""

    drawn_from: str | None
    """id of the grant that had paid them; null: they were debt"""
    credits: int
    """whole credits, at least 1"""
    returned_to: str | None
    """id of the grant that has them now; null: they paid debt"""


Returns = Annotated[
    list[RefundReturn],
    BeforeValidator(lambda rows: [dict(zip(RefundReturn.model_fields, row, strict=True)) for row in rows]),
]


class RefundShown(Shown):
    """Credits of a bill that were returned."""

    account_id: str
    """whose they are"""
    request_id: str
    """of the charge"""
    refund_id: str
    """as it was chosen"""
    credits: int
    """whole credits that were returned, at least 1"""
    reason: str
    """as it was given"""
    outputs: list[RefundedOutput]
    """what of it was returned for each output, in the order of their indexes"""
    returns: Returns
    """which credits they were, in the order that they were returned in"""
    created_at: datetime
    """RFC 3339 in UTC"""
    charge: ChargeShown | None = None
    """the charge after this; null in lists"""

    @classmethod
    def of(cls, refund: RefundRow, charge: ChargeShown | None = None) -> "RefundShown":
        outputs = [RefundedOutput(index=index, credits=credits) for index, credits, _ in sorted(refund.outputs)]
        return cls.like(refund, outputs=outputs, charge=charge)


class CorrectedOutput(Shown):
    """An output as it was really delivered and what it costs since, and how it had stood before."""

    index: int
    """its place, from 0"""
    status: OutputStatus
    """as it was delivered"""
    width: int | None
    """pixels, as it was delivered; null: not measured, or not delivered"""
    height: int | None
    """pixels, as it was delivered; null: not measured, or not delivered"""
    size_tier: str | None
    """the tier that it is billed at since; null: it costs nothing"""
    credits_before: int
    """whole credits that it had cost, 0 or more"""
    credits_after: int
    """whole credits that it costs since, 0 or more"""
    status_before: OutputStatus
    """as it was known before"""
    size_tier_before: str | None
    """the tier that it had been billed at; null: it cost nothing"""


class CorrectionShown(Shown):
    """A correction of a bill by what was delivered."""

    account_id: str
    """whose charge it is"""
    request_id: str
    """of the charge"""
    correction_id: str
    """follows from the reconciliation that found it"""
    credits: int
    """whole credits that the bill rose by; below 0: it fell"""
    reason: str
    """as it was given"""
    actor: str
    """id of the key that had it posted"""
    outputs: list[CorrectedOutput]
    """those that stand otherwise since"""
    returns: Returns
    """which credits came back, where the bill fell; empty where it rose"""
    created_at: datetime
    """RFC 3339 in UTC"""
