"""A report for people, as a table's columns and rows, and for programs, as a JSON-able document."""

from dataclasses import asdict
from typing import Any

from billing.books.verification.report import Report

COLUMNS = ("", "Invariant", "Rows", "Result")


def rows(report: Report) -> list[tuple[str, str, str, str]]:
    """One row for each invariant, under COLUMNS. Plain text: what a row says came from the database."""
    return [
        (
            name,
            title,
            f"{checked_rows:,}",
            "holds" if finding is None else f"{finding.table} {finding.key}: {finding.problem}",
        )
        for name, title, checked_rows, finding in report.invariants
    ]


def summary(report: Report) -> str:
    """The outcome in one sentence."""
    looked_at = (
        f"{_counted(report.accounts, 'account')}, {_counted(report.charges, 'charge')} and "
        f"{_counted(report.transfers, 'transfer')}"
    )
    if report.ok:
        return f"All {len(report.invariants)} invariants hold for {looked_at}."
    broken = [checked.name for checked in report.invariants if checked.finding]
    return f"{', '.join(broken)} {'is' if len(broken) == 1 else 'are'} broken; {looked_at} were looked at."


def document(report: Report) -> dict[str, Any]:
    """`{"ok", "accounts", "charges", "transfers", "invariants": [{"name", "title", "checked_rows", "finding"}]}`."""
    return {
        "ok": report.ok,
        "accounts": report.accounts,
        "charges": report.charges,
        "transfers": report.transfers,
        "invariants": [
            {
                "name": checked.name,
                "title": checked.title,
                "checked_rows": checked.checked_rows,
                "finding": None if checked.finding is None else asdict(checked.finding),
            }
            for checked in report.invariants
        ],
    }


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
