"""Judges that know nothing of us: Beancount and hledger load the journal and say what every account comes to."""

import csv
import io
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from beancount.core.data import Transaction

from billing.books.trial_balance import trial_balance
from billing.core.chart import CHART, account_of, own_part

from .conftest import ODD, TEXTS, Export

Balances = Mapping[tuple[str, str], Decimal]
LEDGER_OF = {name: ledger_account for ledger_account, name in CHART.items()}


def of_beancount(path: Path) -> tuple[list[Any], Balances, list[Any]]:
    entries, problems, _ = loader.load_file(str(path))
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in entries:
        for posting in entry.postings if isinstance(entry, Transaction) else ():
            sums[posting.account, posting.units.currency] += posting.units.number
    return entries, sums, problems


def hledger(*words: str) -> str:
    found = shutil.which("hledger")
    if found is None:
        if os.environ.get("BILLING_JUDGES") == "required":
            pytest.fail("hledger is required: `make judges` installs it")
        pytest.skip("no hledger: `make judges` installs it")
    run = subprocess.run([found, *words], capture_output=True, text=True, check=False, env={"LANG": "C.UTF-8"})
    assert run.returncode == 0, run.stderr
    return run.stdout


def of_hledger(path: Path) -> Balances:
    hledger("check", "--strict", "-f", str(path))
    shown = hledger("balance", "-f", str(path), "--flat", "--no-elide", "--layout=bare", "-E", "-O", "csv")
    rows = list(csv.reader(io.StringIO(shown)))[1:]
    return {
        (name, asset): Decimal(amount) for name, asset, amount in rows if asset and not name.lower().startswith("total")
    }


def as_ours(found: Balances) -> dict[tuple[str, str], Decimal]:
    """By ledger account, those of all customers together; without those that come to nought."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for (name, asset), amount in found.items():
        sums[LEDGER_OF[name.partition(":Id-")[0]], asset] += amount
    return {place: amount for place, amount in sums.items() if amount}


@pytest.fixture
def trial(on_books: Callable[..., Any]) -> Callable[..., dict[tuple[str, str], Decimal]]:
    """The service's own trial balance."""

    def balances(**at: Any) -> dict[tuple[str, str], Decimal]:
        found = on_books(lambda engine: trial_balance(engine, **at))
        return {
            (row.ledger_account, row.asset): Decimal(row.balance).scaleb(0 if row.book == "wallet" else -6)
            for row in found.rows
            if row.balance
        }

    return balances


@pytest.mark.parametrize("per_account", [False, True])
def test_beancount(export: Export, trial: Any, per_account: bool) -> None:
    written = export("journal", "beancount", per_account=per_account)
    entries, balances, problems = of_beancount(written.path)
    assert not problems
    assert as_ours(balances) == trial() != {}
    transactions = [entry for entry in entries if isinstance(entry, Transaction)]
    assert len(transactions) == written.totals.rows
    texts = {entry.meta["external_id"] for entry in transactions if entry.payee == ODD and "external_id" in entry.meta}
    assert texts == {text.translate(dict.fromkeys([1, 2, 3, 31], "�")) for text in TEXTS}
    if per_account:
        assert own_part(ODD) in {name.rpartition(":")[2] for name, _ in balances}


@pytest.mark.parametrize("per_account", [False, True])
def test_hledger(export: Export, trial: Any, per_account: bool) -> None:
    written = export("journal", "hledger", per_account=per_account)
    balances = of_hledger(written.path)
    assert as_ours(balances) == trial() != {}
    if per_account:
        assert own_part(ODD) in {name.rpartition(":")[2] for name, _ in balances}


@pytest.mark.parametrize("per_account", [False, True])
def test_a_month_alone_opens_with_what_was_there_before(export: Export, trial: Any, per_account: bool) -> None:
    month = f"{datetime.now(UTC):%Y-%m}"
    for format, read in (("beancount", lambda path: of_beancount(path)[1]), ("hledger", of_hledger)):
        written = export("journal", format, period=month, per_account=per_account)
        text = written.path.read_text().lower()
        assert "opening balances" in text
        assert as_ours(read(written.path)) == trial(period=month)
    assert not of_beancount(export("journal", "beancount", period=month).path)[2]


def test_what_is_changed_is_found_by_their_own_checks(export: Export) -> None:
    path = export("journal", "beancount").path
    text = path.read_text()
    path.write_text(
        text.replace("Liabilities:Wallet  14 CREDIT", "Liabilities:Wallet  15 CREDIT", 1).replace(
            "-14 CREDIT", "-15 CREDIT", 1
        )
    )
    _, _, problems = of_beancount(path)
    assert any("Balance failed" in problem.message for problem in problems)


@pytest.mark.parametrize("account_id", [ODD, "_house", "A-Z", "a-2Db", "0", "...", "a:b:-"])
def test_names_of_accounts_come_back(account_id: str) -> None:
    assert account_of(own_part(account_id)) == account_id
