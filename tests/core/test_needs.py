"""Needs: every kind of command says what it works on, and what of it."""

from typing import Any

import pytest

from billing.core.charges import Reported
from billing.core.commands import Authorize, Command, Correct, Lapse, Refund, Settle
from billing.core.decide import DECIDED, PRICED
from billing.core.funding_commands import AnnounceExpiry, DisputeMovement, PayTopup, ReportDispute
from billing.core.needs import KINDS, Needs

from .examples import ME

SEEN = (Reported(0, "succeeded", 1, 1, None),)


def test_every_command_has_its_row_in_every_table() -> None:
    kinds = set(Command.__subclasses__())
    assert kinds == set(KINDS)
    assert kinds == {*DECIDED, *PRICED}
    assert not set(DECIDED) & set(PRICED)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_named_is_a_field_of_the_command_and_a_set_to_load(kind: type[Command[Any]]) -> None:
    for need in KINDS[kind].needs:
        assert need.rows in Needs.__slots__
        for name in (need.named, need.each, need.given):
            assert name is None or hasattr(kind, name)


NAMED: list[tuple[Command[Any], dict[str, set[Any]]]] = [
    (Lapse(ME), {}),
    (Authorize(ME, "r", "plain"), {"charges": {(ME, "r")}}),
    (Authorize(ME, "r", "plain", outputs=SEEN), {"charges": {(ME, "r")}, "open_grants": {ME}}),
    (Settle(ME, "r", ()), {"charges": {(ME, "r")}, "open_grants": {ME}}),
    (
        Refund(ME, "r", "f", "blurred"),
        {
            "charges": {(ME, "r")},
            "bills": {(ME, "r")},
            "refunds": {(ME, "f")},
            "open_grants": {ME},
            "debts": {ME},
        },
    ),
    (
        Correct(ME, "c", "r", SEEN, "smaller", "finance"),
        {
            "charges": {(ME, "r")},
            "bills": {(ME, "r")},
            "corrections": {(ME, "c")},
            "open_grants": {ME},
            "debts": {ME},
        },
    ),
    (
        PayTopup(ME, "t", "pi", 1, "USD"),
        {"payments": {ME}, "topups": {(ME, "t")}, "open_grants": {ME}, "debts": {ME}},
    ),
    (
        ReportDispute(ME, "t", "d", 1, "USD", "lost", [DisputeMovement("x", -1, 0), DisputeMovement("y", 1, 0)]),
        {
            "payments": {ME},
            "topups": {(ME, "t")},
            "transactions": {(ME, "x"), (ME, "y")},
            "open_grants": {ME},
            "ended_grants": {ME},
            "debts": {ME},
        },
    ),
    (AnnounceExpiry(ME, "g"), {"payments": {ME}, "grants": {(ME, "g")}, "notices": {(ME, "g")}}),
]


@pytest.mark.parametrize(("command", "named"), NAMED)
def test_a_command_names_its_rows(command: Command[Any], named: dict[str, set[Any]]) -> None:
    needs = Needs.of([command])
    assert {name: rows for name in Needs.__slots__ if (rows := getattr(needs, name))} == {"accounts": {ME}} | named


def test_a_batch_names_each_row_once() -> None:
    needs = Needs.of([Settle(ME, "r", ()), Settle(ME, "r", ()), Settle("other", "r", ())])
    assert (needs.charges, needs.open_grants) == ({(ME, "r"), ("other", "r")}, {ME, "other"})
