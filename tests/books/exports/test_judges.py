"""Judges that know nothing of us: Beancount and hledger load the journal and say what every account comes to."""

import csv
import io
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from beancount.core.data import Transaction

from billing.books.trial_balance.report import trial_balance
from billing.core.chart import CHART, account_of, own_part

from .conftest import ODD, TEXTS, Export, shown_at

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


def of_hledger(*paths: Path) -> Balances:
    files = [word for path in paths for word in ("-f", str(path))]
    hledger("check", "--strict", *files)
    shown = hledger("balance", *files, "--flat", "--no-elide", "--layout=bare", "-E", "-O", "csv")
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


def month_by_month(export: Export, format: str, opening: bool, **more: Any) -> list[Path]:
    """The books until the first of this month, and this month: each with what was there before, or without."""
    begins = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = begins - timedelta(days=1)
    months = [export("journal", format, f"first.{format}", period=f"{before:%Y-%m}", **more)]
    as_of = shown_at(months[0])
    months.append(
        export("journal", format, f"second.{format}", period=f"{begins:%Y-%m}", opening=opening, as_of=as_of, **more)
    )
    assert all(month.totals.rows for month in months)
    return [month.path for month in months]


@pytest.mark.parametrize("per_account", [False, True])
def test_two_months_of_beancount_are_one_ledger(export: Export, trial: Any, tmp_path: Path, per_account: bool) -> None:
    together = tmp_path / "all.beancount"
    first, second = month_by_month(export, "beancount", False, per_account=per_account)
    together.write_text(f'include "{first.name}"\ninclude "{second.name}"\n')
    _, balances, problems = of_beancount(together)
    assert not problems
    assert as_ours(balances) == trial()
    # Alone it says that something is missing, and beside a month that opens, too.
    assert of_beancount(second)[2]
    first, second = month_by_month(export, "beancount", True, per_account=per_account)
    assert any("Duplicate open" in problem.message for problem in of_beancount(together)[2])


@pytest.mark.parametrize("opening", [True, False])
@pytest.mark.parametrize("per_account", [False, True])
def test_two_months_of_hledger_are_one_ledger(
    export: Export, trial: Any, tmp_path: Path, opening: bool, per_account: bool
) -> None:
    together = tmp_path / "all.journal"
    months = month_by_month(export, "hledger", opening, per_account=per_account)
    for order in (months, months[::-1]):
        together.write_text("".join(f"include {month.name}\n" for month in order))
        assert as_ours(of_hledger(together)) == trial()
    if not opening:  # what -f names is looked at apart, so that nothing in it can be asserted
        assert as_ours(of_hledger(*months)) == trial()
