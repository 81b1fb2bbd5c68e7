"""`billing verify-statement`: whether statements are as they were issued, from their files alone."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from billing.books.statements.document.statement import Statement
from billing.books.statements.verification.published import NoKeys, published_by
from billing.books.statements.verification.verify import NoStatement, StatementVerification, connections, verify
from billing.cli.session import AsJson, console, errors

_CHANGED, _UNREADABLE = 1, 2


def verify_statement(
    files: Annotated[list[Path], typer.Argument(help="statements, JSON or CSV, as they were downloaded")],
    keys: Annotated[
        str | None, typer.Option(help="the service's keys: a file, or the URL of /.well-known/billing-keys.json")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify statements offline, each for itself and that they connect; needs no database.

    Exit 0: they are as they were issued. 1: something was changed, and the first line is named. 2: a file is no
    statement, or the keys cannot be had.
    """
    known = None
    try:
        known = None if keys is None else published_by(keys)
    except NoKeys as problem:
        _refuse(str(problem), as_json)
    shown: list[dict[str, Any]] = []
    statements: list[Statement] = []
    status = 0
    for file in files:
        try:
            with errors.status("verifying") as line:
                verdict = verify(file, known, lambda count: line.update(f"verifying: {count:,} movements"))
        except (NoStatement, OSError) as problem:
            said = f"is no statement: {problem}" if isinstance(problem, NoStatement) else problem.strerror or problem
            reason = f"{_name(file)}: {said}"
            shown.append({"file": _name(file), "ok": False, "problem": reason})
            status = _UNREADABLE
            if not as_json:
                _complain(reason)
            continue
        shown.append(_document(file, verdict))
        status = status or (0 if verdict.ok else _CHANGED)
        if verdict.statement is not None:
            statements.append(verdict.statement)
        if not as_json:
            _show(file, verdict)
    connected = []
    for one, following, gap in connections(statements) if status == 0 else ():  # changed ones prove nothing
        connected.append({"account_id": one.account_id, "from": one.month, "to": following.month, "problem": gap})
        status = status or (0 if gap is None else _CHANGED)
        if as_json:
            continue
        months = f"{one.month} and {following.month}"
        if gap is not None:
            _complain(f"{one.account_id}: {months} do not connect: {gap}")
        elif one.month == following.month:
            _say(f"{one.account_id}: the statements of {one.month} agree.")
        else:
            _say(f"{one.account_id}: {months} connect.")
    if as_json:
        print(json.dumps({"ok": status == 0, "files": shown, "connections": connected}, indent=2))
    sys.exit(status)


def _document(file: Path, verdict: StatementVerification) -> dict[str, Any]:
    s = verdict.statement
    return {
        "file": _name(file),
        "ok": verdict.ok,
        "account_id": None if s is None else s.account_id,
        "month": None if s is None else s.month,
        "complete": None if s is None else s.complete,
        "movements": None if s is None else s.count,
        "opening_balance": None if s is None else s.opening_balance,
        "closing_balance": None if s is None else s.closing_balance,
        "kid": None if verdict.signature is None else verdict.signature.kid,
        "origin": verdict.origin,
        "findings": [
            {"line": found.line, "seq": found.seq, "field": found.field, "message": found.message}
            for found in verdict.findings
        ],
    }


def _show(file: Path, verdict: StatementVerification) -> None:
    s = verdict.statement
    for found in verdict.findings:
        where = "" if found.line is None else f"line {found.line}: "
        where += "" if found.seq is None else f"seq {found.seq}: "
        _complain(f"{_name(file)}: {where}{found.message}")
    if not verdict.ok or s is None or verdict.signature is None:
        return
    so_far = "" if s.complete else f", the month so far, at {s.issued_at:%Y-%m-%d %H:%M} UTC"
    origin = (
        "Signed with a key of the service."
        if verdict.origin == "known"
        else f"Signed with the key in the file, {verdict.signature.kid}; whose key that is, --keys tells."
    )
    sentence = (
        f"{_name(file)}: is as it was issued: {s.account_id}, {s.month}{so_far}: from {s.opening_balance:,} to "
        f"{s.closing_balance:,} {s.asset} by {s.count:,} movements. {origin}"
    )
    _say(sentence)


def _name(file: Path) -> str:
    return str(file).encode(errors="replace").decode()  # names of files are any bytes


def _say(sentence: str) -> None:
    console.print(_plain(sentence), highlight=False, soft_wrap=True)


def _complain(sentence: str) -> None:
    errors.print(f"[red]billing:[/red] {_plain(sentence)}", highlight=False, soft_wrap=True)


def _plain(sentence: str) -> str:
    """Nothing that stands in a stranger's file moves the cursor or paints the terminal."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in sentence))


def _refuse(sentence: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ok": False, "problem": sentence, "files": [], "connections": []}, indent=2))
    else:
        _complain(sentence)
    sys.exit(_UNREADABLE)
