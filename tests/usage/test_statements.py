"""Statements as they are issued: which movements, what they come to, who may see them, and who signs."""

import asyncio
import json
import threading
from base64 import b64encode
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import anyio
import asyncpg
import pytest

from billing.books.statements.document.csv_form import as_csv
from billing.books.statements.document.json_form import as_json
from billing.books.statements.document.statement import (
    MovementTotal,
    Signature,
    Statement,
    Subtotal,
    is_month,
    month_after,
    month_before,
)
from billing.books.statements.report import Issued, issue, months, positions
from billing.books.statements.signing import Signing, SigningKey, encoded, genuine, thumbprint
from billing.books.statements.verification.verify import verify
from billing.core.ledger import GENESIS, Transfer, chained
from billing.settings import Settings, SettingsError
from billing.store.engine import read_engine, work_engine
from billing.store.snapshot import snapshot
from tests.api.service import MODEL, ask, created, image, on, problem, serving, until

from .conftest import FORMS, LARGE, MONTHS, Winter, failed

KEYS = "/.well-known/billing-keys.json"
ACME = Winter.account_id


def header(content: bytes) -> dict[str, Any]:
    document = json.loads(content)
    return {name: value for name, value in document.items() if name not in ("signature", "movements")}


def moved(content: bytes) -> list[str]:
    return [f"{m['seq']} {m['kind']} {m['amount']} → {m['balance_after']}" for m in json.loads(content)["movements"]]


def test_january(winter: Winter) -> None:
    content = winter.files["2026-01", "json"]
    assert moved(content) == [
        "1 grant 500 → 500",
        "2 grant 60 → 560",
        "3 settle 60 → 500",
        "4 settle 21 → 479",
        "5 settle 21 → 458",
        "6 grant 40 → 498",
        "7 settle 0 → 498",
    ]
    last = json.loads(content)["movements"][-1]["hash"]
    assert header(content) == {
        "format": "billing.statement.1",
        "account_id": ACME,
        "month": "2026-01",
        "start": "2026-01-01T00:00:00.000000Z",
        "end": "2026-02-01T00:00:00.000000Z",
        "complete": True,
        "issued_at": "2026-03-15T12:00:00.000000Z",
        "asset": "CREDIT",
        "opening_balance": 0,
        "closing_balance": 498,
        "first_seq": 1,
        "last_seq": 7,
        "count": 7,
        "hash_before": GENESIS.hex(),
        "hash_after": last,
        "totals": [
            {"kind": "grant", "movements": 3, "change": 600},
            {"kind": "settle", "movements": 4, "change": -102},
        ],
        "subtotals": [
            subtotal("1K", "high", 1, 0, 14, 0),
            subtotal("1K", "medium", 1, 0, 4, 0),
            subtotal("2K", "high", 1, 0, 67, 0),
            subtotal("2K", "medium", 1, 0, 17, 0),
            subtotal(None, "high", 0, 2, 0, 0),
        ],
    }


def test_february(winter: Winter) -> None:
    """An expiry that was due in January and posted now; a refund of January's bill; bills of its own."""
    content = winter.files["2026-02", "json"]
    assert moved(content) == [
        "8 expire 40 → 458",
        "9 refund 21 → 479",
        "10 refund 60 → 539",
        "11 settle 14 → 525",
        "12 refund 3 → 528",
        "13 settle 1 → 527",
    ]
    expiry = json.loads(content)["movements"][0]
    assert (expiry["effective_at"], expiry["posted_at"]) == (
        "2026-01-31T23:59:59.750000Z",
        "2026-02-03T10:00:00.000000Z",
    )
    found = header(content)
    assert (found["opening_balance"], found["closing_balance"], found["complete"]) == (498, 527, True)
    assert found["totals"] == [
        {"kind": "expire", "movements": 1, "change": -40},
        {"kind": "refund", "movements": 3, "change": 84},
        {"kind": "settle", "movements": 2, "change": -15},
    ]
    assert found["subtotals"] == [
        subtotal("1K", "low", 1, 0, 1, 0) | {"model": "gpt-image-1.5"},
        subtotal("1K", "high", 1, 0, 14, 17),
        subtotal("2K", "high", 0, 0, 0, 67),
    ]


def test_the_running_month_without_movements(winter: Winter) -> None:
    found = header(winter.files["2026-03", "json"])
    assert (found["complete"], found["count"], found["first_seq"], found["last_seq"]) == (False, 0, 14, 13)
    assert found["opening_balance"] == found["closing_balance"] == 527
    assert found["hash_before"] == found["hash_after"] == header(winter.files["2026-02", "json"])["hash_after"]
    assert (found["totals"], found["subtotals"]) == ([], [])


def subtotal(tier: str | None, quality: str, images: int, failed: int, settled: int, refunded: int) -> dict[str, Any]:
    return {
        "model": "gpt-image-2",
        "size_tier": tier,
        "quality": quality,
        "images": images,
        "failed_images": failed,
        "settled_credits": settled,
        "refunded_credits": refunded,
        "credits": settled - refunded,
    }


@pytest.mark.parametrize("form", FORMS)
def test_corrections(winter: Winter, form: str, write: Any) -> None:
    """What was billed for another image than was delivered is mended: up, down, and both at once."""
    api, account_id = winter.api, winter.api.account(100)
    for request_id, *outputs in (("up", image(0)), ("down", image(0, *LARGE)), ("even", image(0), image(1, *LARGE))):
        body = {"request_id": request_id, "model": MODEL, "n": 2, "quality": "medium", "outputs": outputs}
        created(api.post(f"/v1/accounts/{account_id}/charges", body, "gateway"))
    charges = {one: {"account_id": account_id, "request_id": one} for one in ("up", "down", "even")}
    api.correct(charges["up"], image(0, *LARGE), correction_id="c1")
    api.correct(charges["down"], failed(0), correction_id="c2")
    api.correct(charges["even"], image(0, *LARGE), image(1), correction_id="c3")
    created(api.post(f"/v1/accounts/{account_id}/charges/up/refunds", {"refund_id": "f1", "reason": "blurred"}))
    answer = api.get(f"/v1/accounts/{account_id}/statements/2026-03", format=form)
    verdict = verify(write(answer.content))
    assert verdict.findings == ()
    statement = verdict.statement
    assert statement is not None
    assert [astuple(total) for total in statement.totals] == [
        ("grant", 1, 100), ("reduction", 1, 17), ("refund", 2, 17), ("settle", 3, -42), ("supplement", 2, -13),
    ]  # fmt: skip
    assert [astuple(subtotal)[1:] for subtotal in statement.subtotals] == [
        ("1K", "medium", 1, 0, 4, 0, 4),
        ("2K", "medium", 2, 0, 34, 17, 17),
        (None, "medium", 0, 3, 0, 0, 0),
    ]


@pytest.mark.parametrize("month", MONTHS)
def test_it_ties_with_the_transfers(winter: Winter, month: str) -> None:
    """Movement by movement what the list of transfers shows, and with the account."""
    document = json.loads(winter.files[month, "json"])
    listed = winter.api.get(f"{winter.path}/transfers", limit=200).json()["data"]
    own = [transfer for transfer in listed if month == transfer["posted_at"][:7]]
    assert [at_instants({**transfer, "account_id": ACME}) for transfer in own] == [
        at_instants(movement) for movement in document["movements"]
    ]
    consumed = sum(t["amount"] * {"settle": 1, "refund": -1}.get(t["kind"], 0) for t in own)
    assert sum(part["credits"] for part in document["subtotals"]) == consumed


def at_instants(transfer: dict[str, Any]) -> dict[str, Any]:
    """Files have six decimals of a second always, answers as many as there are."""
    return {name: datetime.fromisoformat(value) if name.endswith("_at") else value for name, value in transfer.items()}


def test_each_month_begins_where_the_one_before_ended(winter: Winter) -> None:
    headers = [header(winter.files[month, "json"]) for month in MONTHS]
    for one, following in pairwise(headers):
        assert one["end"] == following["start"]
        assert one["closing_balance"] == following["opening_balance"]
        assert one["hash_after"] == following["hash_before"]
        assert one["last_seq"] + 1 == following["first_seq"]


def test_a_statement_so_far_grows(winter: Winter) -> None:
    api, account_id = winter.api, winter.api.account(100)
    path = f"/v1/accounts/{account_id}/statements/2026-03"
    one = api.get(path).json()
    api.grant(account_id, 20)
    other = api.get(path).json()
    assert (one["complete"], other["complete"]) == (False, False)
    assert (one["closing_balance"], other["closing_balance"]) == (100, 120)
    assert other["movements"][: one["count"]] == one["movements"]
    assert other["count"] == one["count"] + 1


def test_an_account_to_which_nothing_happened(winter: Winter) -> None:
    found = winter.api.get(f"/v1/accounts/{winter.api.account()}/statements/2026-03").json()
    assert (found["count"], found["first_seq"], found["last_seq"], found["movements"]) == (0, 1, 0, [])
    assert found["hash_before"] == found["hash_after"] == GENESIS.hex()


def test_the_file(winter: Winter) -> None:
    api = winter.api
    for form, kind in (("json", "application/json"), ("csv", "text/csv; charset=utf-8")):
        answer = api.get(f"{winter.path}/statements/2026-01", format=form)
        assert answer.headers["content-type"] == kind
        name = f'attachment; filename="statement--acme_1-2026-01.{form}"'
        assert answer.headers["content-disposition"] == name


def test_no_cell_is_a_formula(winter: Winter) -> None:
    """A spreadsheet takes what begins with = + - @ for a formula: text that does has an apostrophe before it."""
    for month in MONTHS:
        for line in winter.files[month, "csv"].decode().splitlines():
            for cell in line.split(","):
                assert not cell.startswith(("=", "+", "@"))
                assert not cell.startswith("-") or cell[1:].isdigit()
    assert ",'-req:1," in winter.files["2026-01", "csv"].decode()


class TestList:
    def test_newest_first(self, winter: Winter) -> None:
        assert winter.api.get(f"{winter.path}/statements").json() == {
            "data": [
                month("2026-03", "2026-04", False, 527, 527, 0),
                month("2026-02", "2026-03", True, 498, 527, 6),
                month("2026-01", "2026-02", True, 0, 498, 7),
            ],
            "has_more": False,
            "next_cursor": None,
        }

    def test_page_by_page(self, winter: Winter) -> None:
        seen, cursor = [], {}
        while True:
            page = winter.api.get(f"{winter.path}/statements", limit=1, **cursor).json()
            seen += [one["month"] for one in page["data"]]
            if not page["has_more"]:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == ["2026-03", "2026-02", "2026-01"]

    @pytest.mark.parametrize("key", [["2026-13"], ["latest"], [1], [], ["2026-01", 1], ["2026-01\n"]])
    def test_cursors_that_nobody_gave_out(self, winter: Winter, key: list[Any]) -> None:
        cursor = b64encode(json.dumps(key).encode()).decode()
        problem(winter.api.get(f"{winter.path}/statements", cursor=cursor), 422, "validation_error")

    def test_cursors_beyond_the_ends(self, winter: Winter) -> None:
        for key, count in (("9999-12", 3), ("1970-01", 0)):
            cursor = b64encode(json.dumps([key]).encode()).decode()
            assert len(winter.api.get(f"{winter.path}/statements", cursor=cursor).json()["data"]) == count


def month(name: str, following: str, complete: bool, opening: int, closing: int, movements: int) -> dict[str, Any]:
    return {
        "month": name,
        "start": f"{name}-01T00:00:00Z",
        "end": f"{following}-01T00:00:00Z",
        "complete": complete,
        "opening_balance": opening,
        "closing_balance": closing,
        "movements": movements,
    }


class TestRefusals:
    @pytest.mark.parametrize("month", ["2026-04", "2027-01", "9999-12"])
    def test_months_to_come(self, winter: Winter, month: str) -> None:
        document = problem(winter.api.get(f"{winter.path}/statements/{month}"), 422, "validation_error")
        assert document["errors"] == [
            {"field": "month", "message": "has not begun; the latest statement is that of 2026-03"}
        ]

    @pytest.mark.parametrize("month", ["2025-12", "1970-01"])
    def test_months_before_the_account(self, winter: Winter, month: str) -> None:
        document = problem(winter.api.get(f"{winter.path}/statements/{month}"), 404, "statement_not_found")
        assert document["first"] == "2026-01"

    @pytest.mark.parametrize(
        "month",
        ["2026-00", "2026-13", "2026-1", "26-01", "0000-01", "1969-12", "10000-01", "latest", "2026-01-01", "202601",
         "2026-01%0A", "-2026-01", "%D9%A2%D9%A0%D9%A2%D9%A6-01", "2026-01%00", "%FF%FE"],
    )  # fmt: skip
    def test_months_that_are_none(self, winter: Winter, month: str) -> None:
        problem(winter.api.get(f"{winter.path}/statements/{month}"), 422, "validation_error")

    @pytest.mark.parametrize("form", ["xml", "CSV", "", "json,csv", "pdf"])
    def test_forms_that_are_none(self, winter: Winter, form: str) -> None:
        problem(winter.api.get(f"{winter.path}/statements/2026-01", format=form), 422, "validation_error")

    def test_who_may_read_it(self, winter: Winter) -> None:
        api = winter.api
        own = api.new_key("account", ACME)["key"]
        other = api.new_key("account", api.account())["key"]
        for path in ("statements", "statements/2026-01", "statements/2026-04", "statements/2026-13"):
            problem(api.get(f"{winter.path}/{path}", other), 404, "account_not_found")
            problem(api.get(f"/v1/accounts/nobody/{path}"), 404, "account_not_found")
            problem(api.get(f"{winter.path}/{path}", None), 401, "unauthenticated")
        for key in ("admin", "gateway", "finance", own):
            assert api.get(f"{winter.path}/statements/2026-01", key).status_code == 200


class TestRange:
    async def test_where_months_begin_is_where_a_scan_finds_it(self, winter: Winter) -> None:
        engine = read_engine(winter.api.dsn, size=1)
        listed = winter.api.get(f"{winter.path}/transfers", limit=200).json()["data"]
        posted = [datetime.fromisoformat(transfer["posted_at"]) for transfer in listed]
        tick = timedelta(microseconds=1)
        instants = [moment + step for moment in posted for step in (-tick, timedelta(0), tick)]
        instants += [datetime(1970, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)]
        async with snapshot(engine) as connection:
            found = await positions(connection, ACME, len(posted), instants)
        await engine.dispose()
        expected = [sum(moment < instant for moment in posted) for instant in instants]
        assert [position.seq for position in found] == expected
        assert [position.balance for position in found] == [
            listed[seq - 1]["balance_after"] if seq else 0 for seq in expected
        ]
        assert [position.hash.hex() for position in found] == [
            listed[seq - 1]["hash"] if seq else GENESIS.hex() for seq in expected
        ]

    @pytest.mark.parametrize("at_once", [1, 2, 7, 1000])
    async def test_pages_make_one_file(self, winter: Winter, at_once: int) -> None:
        async with issuing(winter.api.dsn) as issued:
            paged: Any = SimpleNamespace(
                statement=issued.statement, signature=issued.signature, movements=lambda: issued.movements(at_once)
            )
            for written, form in ((as_json, "json"), (as_csv, "csv")):
                assert "".join([piece async for piece in written(paged)]).encode() == winter.files["2026-01", form]

    async def test_who_hangs_up_leaves_no_session_in_the_past(self, winter: Winter) -> None:
        """Servers cancel what streams to a closed connection, at any point and again at every await."""
        async with issuing(winter.api.dsn) as issued:
            for steps in range(60):
                async with anyio.create_task_group() as group:
                    group.start_soon(_read_all, issued)
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    group.cancel_scope.cancel()
                # The pool has one session: it must come back, and see what was posted since.
                account_id = f"later-{steps}"
                await asyncio.to_thread(winter.api.post, "/v1/accounts", {"account_id": account_id})
                (opened,) = await months(issued.engine, account_id, before=None, limit=2)
                assert (opened.complete, opened.movements) == (False, 0)


async def _read_all(issued: Issued) -> None:
    async for _ in issued.movements(1):
        pass


class issuing:
    """January's statement, issued by a pool of one session."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def __aenter__(self) -> Issued:
        self._engine, self._work = read_engine(self._dsn, size=1), work_engine(self._dsn, size=1)
        signing = Signing(self._engine, self._work, None)
        return await issue(self._engine, self._work, signing, ACME, "2026-01")

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()
        await self._work.dispose()


def test_a_batch_that_commits_after_the_month_has_ended(winter: Winter) -> None:
    """It read its clock in February and commits in March: a complete statement of February waits for it."""
    api = winter.api
    account_id = api.account(10)
    ask(
        api.dsn,
        "UPDATE account SET created_at = '2026-02-01', last_at = '2026-02-01' WHERE account_id = $1",
        account_id,
    )
    late = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    ask(api.dsn, "UPDATE transfer SET posted_at = '2026-02-01' WHERE account_id = $1", account_id)
    head = ask(api.dsn, "SELECT wallet_head FROM account WHERE account_id = $1", account_id)
    fields = (
        account_id, "wallet", 2, "grant", "issued", "wallet", "CREDIT", 5, 15, None, "late", None, None, late, late, None,
    )  # fmt: skip
    locked, issued = threading.Event(), threading.Event()

    async def commit_late(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM account WHERE account_id = $1 FOR NO KEY UPDATE", account_id)
            locked.set()
            transfer = (*fields, chained(head, *fields))
            await connection.copy_records_to_table("transfer", records=[transfer], columns=Transfer._fields)
            update = (
                "UPDATE account SET wallet_seq = 2, wallet_head = $2, posted = 15, last_at = $3 WHERE account_id = $1"
            )
            await connection.execute(update, account_id, transfer[-1], late)
            await asyncio.to_thread(until, lambda: waiting(api.dsn) or issued.is_set(), "the statement waits")

    writer = threading.Thread(target=on, args=(api.dsn, commit_late))
    writer.start()
    assert locked.wait(30)
    found = api.get(f"/v1/accounts/{account_id}/statements/2026-02").json()
    issued.set()
    writer.join(30)
    assert (found["complete"], found["count"], found["closing_balance"]) == (True, 2, 15)


def waiting(dsn: str) -> int:
    found: int = ask(dsn, "SELECT count(*) FROM pg_locks WHERE NOT granted")
    return found


class TestKeys:
    def test_published(self, winter: Winter) -> None:
        answer = winter.api.get(KEYS, None)
        assert answer.status_code == 200
        (key,) = answer.json()["keys"]
        signature = json.loads(winter.files["2026-01", "json"])["signature"]
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")
        assert (key["kid"], key["x"]) == (signature["kid"], signature["public_key"])
        assert key["retired_at"] is None

    def test_thumbprint(self) -> None:
        """RFC 8037, A.3."""
        octets = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        assert encoded(octets) == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        assert thumbprint(octets) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

    async def test_processes_agree_on_one(self, fresh_database: str) -> None:
        """However many need it first at the same time."""
        engines = [(read_engine(fresh_database, size=1), work_engine(fresh_database, size=1)) for _ in range(8)]
        keys = await asyncio.gather(*(Signing(engine, work, None).key() for engine, work in engines))
        assert len({key.key_id for key in keys}) == 1
        (published,) = (await Signing(*engines[0], None).published()).keys
        assert published.kid == keys[0].key_id
        for pair in engines:
            for engine in pair:
                await engine.dispose()

    async def test_of_the_operator(self, fresh_database: str) -> None:
        """It takes the place of the one before, which stays published, and its seed is not stored."""
        engine, work = read_engine(fresh_database, size=1), work_engine(fresh_database, size=1)
        made = await Signing(engine, work, None).key()
        own = await Signing(engine, work, b"\x01" * 32).key()
        assert own.key_id == SigningKey(b"\x01" * 32).key_id
        keys = {key.kid: key.retired_at for key in (await Signing(engine, work, b"\x01" * 32).published()).keys}
        assert list(keys) == [made.key_id, own.key_id]
        assert (keys[made.key_id] is None, keys[own.key_id]) == (False, None)
        after = await Signing(engine, work, None).key()  # the setting was taken away: a new one, not the retired one
        assert after.key_id not in keys
        keys = {key.kid: key.retired_at for key in (await Signing(engine, work, None).published()).keys}
        assert [kid for kid, retired in keys.items() if retired is None] == [after.key_id]
        await engine.dispose()
        await work.dispose()
        stored = await asyncio.to_thread(
            ask, fresh_database, "SELECT seed FROM signing_key WHERE key_id = $1", own.key_id
        )
        assert stored is None

    def test_the_application_signs_with_it(self, fresh_database: str) -> None:
        seed = b"\x02" * 32
        with serving(fresh_database, signing_key=b64encode(seed).decode()) as api:
            kid = SigningKey(seed).key_id
            account_id = api.account(5)
            month = api.get(f"/v1/accounts/{account_id}/statements").json()["data"][0]["month"]
            assert api.get(f"/v1/accounts/{account_id}/statements/{month}").json()["signature"]["kid"] == kid
            assert [key["kid"] for key in api.get(KEYS, None).json()["keys"]] == [kid]

    @pytest.mark.parametrize(
        "text", ["short", "%%%", b64encode(bytes(31)).decode(), b64encode(bytes(33)).decode(), "é"]
    )
    def test_settings_that_are_no_key(self, text: str) -> None:
        with pytest.raises(SettingsError, match="BILLING_SIGNING_KEY must be 32 bytes in base64"):
            Settings.read({"BILLING_SIGNING_KEY": text})

    def test_the_setting(self) -> None:
        text = b64encode(bytes(range(32))).decode()
        settings = Settings.read({"BILLING_SIGNING_KEY": text})
        assert settings.signing_seed == bytes(range(32))
        assert text not in repr(settings)
        assert Settings.read({}).signing_seed is None


JANUARY = Statement(
    account_id="acc-1",
    month="2026-01",
    start=datetime(2026, 1, 1, tzinfo=UTC),
    end=datetime(2026, 2, 1, tzinfo=UTC),
    complete=True,
    issued_at=datetime(2026, 2, 1, 0, 0, 0, 1, tzinfo=UTC),
    asset="CREDIT",
    opening_balance=0,
    closing_balance=-3,
    first_seq=1,
    last_seq=2,
    count=2,
    hash_before=GENESIS,
    hash_after=b"\xab" * 32,
    totals=(MovementTotal("grant", 1, 10), MovementTotal("settle", 1, -13)),
    subtotals=(Subtotal("m", "1K", "high", 1, 0, 14, 1, 13), Subtotal("m", None, "high", 0, 2, 0, 0, 0)),
)


def test_canonical_bytes() -> None:
    """A test vector: whoever verifies a signature makes these bytes."""
    lines = [
        "19:billing.statement.1", "5:acc-1", "7:2026-01", "i1767225600000000", "i1769904000000000", "i1",
        "i1769904000000001", "6:CREDIT", "i0", "i-3", "i1", "i2", "i2", "x" + "00" * 32, "x" + "ab" * 32,
        "l2", "5:grant", "i1", "i10", "6:settle", "i1", "i-13",
        "l2", "1:m", "2:1K", "4:high", "i1", "i0", "i14", "i1", "i13", "1:m", "-", "4:high", "i0", "i2", "i0", "i0", "i0",
    ]  # fmt: skip
    assert JANUARY.canonical_bytes == "".join(f"{line}\n" for line in lines).encode()
    signature = SigningKey(bytes(range(32))).sign(JANUARY)
    assert signature == Signature(
        "Ed25519",
        "1IG2tMH7J2wbJZnOf8LJzQitKf7LMvoAElsuDMVM54Y",
        "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
        "n6eesqzAT0vLSrlFCoAgCipqdCHWz14aRWzA0SshH-DWXx7egyU8xobYu_R-437psHbr4f_JFFkgjndIya3sBg",
    )
    assert genuine(signature, JANUARY)


def test_months() -> None:
    assert (month_after("2026-12"), month_after("2026-01")) == ("2027-01", "2026-02")
    assert (month_before("2026-01"), month_before("2026-12")) == ("2025-12", "2026-11")
    assert is_month("2026-10")
    assert not any(map(is_month, ("2026-10\n", "2026-1", "1969-12", "２０２６-10", "")))
