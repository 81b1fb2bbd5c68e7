"""The words of reconciliation: every kind has a title of its own."""

from typing import get_args

from billing.core import reconciliation


def test_every_kind_has_a_title_of_its_own():
    assert set(get_args(reconciliation.Kind)) == set(reconciliation.KINDS)
    assert len(set(reconciliation.KINDS.values())) == len(reconciliation.KINDS)
    assert set(get_args(reconciliation.Action)) == set(reconciliation.ACTIONS)
