"""Accounts, their grants, their journal and their balance, also as it was."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

import pytest

from .service import CLOCK_STARTS_AT as START
from .service import Api, ask, created, image, path_of, problem, replayed, set_clock, time_of

ACCOUNT = {
    "account_id", "name", "asset", "status", "credit_limit", "overage", "hold", "metadata", "low_balance", "created_at",
}  # fmt: skip
BALANCE = {
    "account_id", "asset", "posted", "held", "frozen", "lapsed", "available", "credit_limit", "debt", "grants",
    "has_more_grants", "next_expiry", "seq", "as_of",
}  # fmt: skip
OPEN_GRANT = {"grant_id", "kind", "status", "granted", "remaining", "expires_at", "priority"}
TRANSFER = {
    "book", "seq", "kind", "debit", "credit", "asset", "amount", "balance_after", "request_id", "grant_id", "refund_id",
    "effective_at", "posted_at", "hash",
}  # fmt: skip


class TestAccounts:
    FULL: ClassVar = {
        "account_id": "",
        "name": "Acme, Inc.",
        "asset": "CREDIT",
        "credit_limit": 5,
        "overage": "cap",
        "hold": "max",
        "metadata": {"plan": "pro"},
    }

    def test_open_and_get(self, api: Api) -> None:
        body = self.FULL | {"account_id": api.new_id("A.b_c:d")}
        account = created(api.post("/v1/accounts", body))
        assert set(account) == ACCOUNT
        time_of(account["created_at"])
        assert account == body | {"status": "active", "low_balance": [], "created_at": account["created_at"]}
        assert api.get(f"/v1/accounts/{body['account_id']}", "gateway").json() == account

    def test_defaults(self, api: Api) -> None:
        account = created(api.post("/v1/accounts", {"account_id": api.new_id()}))
        expected = {"name": None, "asset": "CREDIT", "status": "active", "credit_limit": 0, "overage": "bill"}
        expected |= {"hold": "quote", "metadata": {}}
        assert {name: account[name] for name in expected} == expected

    def test_replay_shows_it_as_it_is_now(self, api: Api) -> None:
        body = self.FULL | {"account_id": api.new_id()}
        created(api.post("/v1/accounts", body))
        changed = api.call("PATCH", f"/v1/accounts/{body['account_id']}", {"status": "suspended", "credit_limit": 7})
        assert replayed(api.post("/v1/accounts", body)) == changed.json()

    @pytest.mark.parametrize(
        "change", [{"name": "x"}, {"credit_limit": 6}, {"overage": "bill"}, {"hold": "quote"}, {"metadata": {}}]
    )
    def test_reuse(self, api: Api, change: dict[str, Any]) -> None:
        body = self.FULL | {"account_id": api.new_id()}
        created(api.post("/v1/accounts", body))
        document = problem(api.post("/v1/accounts", body | change), 409, "id_reused")
        assert (document["id"], document["differs"]) == (body["account_id"], list(change))

    def test_patch_changes_what_is_sent_and_records_who_changed_money(self, api: Api) -> None:
        account_id = api.account(credit_limit=3)
        path = f"/v1/accounts/{account_id}"
        before = api.get(path).json()
        assert api.call("PATCH", path, {}).json() == before
        assert api.call("PATCH", path, {"name": "n", "metadata": {"a": 1}}).json() == before | {
            "name": "n",
            "metadata": {"a": 1},
        }
        api.call("PATCH", path, {"status": "suspended", "credit_limit": 4})
        after = api.call("PATCH", path, {"name": None, "metadata": None, "overage": "cap", "hold": "max"}).json()
        assert after == before | {"status": "suspended", "credit_limit": 4, "overage": "cap", "hold": "max"}
        changes = api.get(f"{path}/changes", "finance").json()
        assert set(changes) == {"data", "has_more", "next_cursor"}
        rows = changes["data"]
        assert all({"changed_at", "setting", "old", "new", "actor"} <= set(row) for row in rows)
        assert {(row["setting"], row["old"], row["new"]) for row in rows if row["old"] is not None} == {
            ("status", "active", "suspended"),
            ("credit_limit", "3", "4"),
            ("overage", "bill", "cap"),
            ("hold", "quote", "max"),
        }
        assert {row["actor"] for row in rows} == {"environment"}
        times = [time_of(row["changed_at"]) for row in rows]
        assert times == sorted(times)


class TestGrants:
    GRANT: ClassVar = {
        "grant_id": "g",
        "kind": "purchase",
        "credits": 100,
        "expires_at": "2090-01-01T00:00:00Z",
        "priority": 7,
        "amount_paid": {"micros": 12_500_000, "currency": "USD"},
        "funding": "bank",
        "reference": "invoice 7",
    }

    def test_issue_list_replay_and_reuse(self, api: Api) -> None:
        account_id = api.account()
        path = f"/v1/accounts/{account_id}/grants"
        grant = created(api.post(path, self.GRANT))
        expected = {
            **{name: value for name, value in self.GRANT.items() if name not in ("credits", "funding")},
            "account_id": account_id,
            "status": "open",
            "granted": 100,
            "remaining": 100,
        }
        assert {name: grant[name] for name in expected} == expected
        charge = api.authorize(account_id)
        api.settle(charge, image())
        again = replayed(api.post(path, self.GRANT | {"expires_at": "2090-01-01T01:00:00+01:00"}))
        assert (again["remaining"], again["used"]) == (86, 14)
        listed = api.get(path, "finance").json()
        assert set(listed) == {"data", "has_more", "next_cursor"}
        assert listed["data"] == [again]
        for change, differs in (
            ({"credits": 101}, ["credits"]),
            ({"kind": "plan"}, ["kind"]),
            ({"expires_at": None}, ["expires_at"]),
            ({"priority": 8}, ["priority"]),
            ({"amount_paid": None}, ["amount_paid.micros", "amount_paid.currency"]),
            ({"amount_paid": {"micros": 1, "currency": "USD"}}, ["amount_paid.micros"]),
            ({"reference": None}, ["reference"]),
        ):
            document = problem(api.post(path, self.GRANT | change), 409, "id_reused")
            assert (document["id"], document["differs"]) == ("g", differs)

    @pytest.mark.parametrize(
        ("kind", "priority"), [("promotion", 10), ("plan", 20), ("adjustment", 30), ("purchase", 50)]
    )
    def test_default_priorities(self, api: Api, kind: str, priority: int) -> None:
        assert api.grant(api.account(), 1, kind=kind)["priority"] == priority

    def test_the_money_is_booked_with_it(self, api: Api) -> None:
        account_id = api.account()
        api.grant(account_id, 100, amount_paid={"micros": 5_000_000, "currency": "EUR"})
        (row,) = api.get(f"/v1/accounts/{account_id}/transfers", "finance", book="money").json()["data"]
        assert (row["debit"], row["credit"], row["asset"], row["amount"]) == (
            "bank",
            "deferred_revenue",
            "EUR",
            5_000_000,
        )

    def test_a_grant_pays_debt_first(self, api: Api) -> None:
        account_id = api.account(14)
        api.settle(api.authorize(account_id), image(0, 3840, 2160))
        grant = api.grant(account_id, 200)
        assert (grant["remaining"], grant["used"]) == (81, 119)
        assert api.balance(account_id)["debt"] == 0


class TestTransfers:
    def test_the_chain(self, api: Api) -> None:
        account_id = api.account(100)
        charge = api.authorize(account_id)
        api.settle(charge, image())
        api.post(f"{path_of(charge)}/refunds", {"refund_id": "f", "reason": "r", "credits": 4})
        rows = api.get(f"/v1/accounts/{account_id}/transfers", "finance").json()["data"]
        assert all(set(row) >= TRANSFER for row in rows)
        shown = [
            (row["seq"], row["kind"], row["debit"], row["credit"], row["amount"], row["balance_after"]) for row in rows
        ]
        assert shown == [
            (1, "grant", "issued", "wallet", 100, 100),
            (2, "settle", "wallet", "consumed", 14, 86),
            (3, "refund", "consumed", "wallet", 4, 90),
        ]
        assert {row["book"] for row in rows} == {"wallet"}
        assert {row["asset"] for row in rows} == {"CREDIT"}
        assert [row["request_id"] for row in rows] == [None, charge["request_id"], charge["request_id"]]
        assert [row["refund_id"] for row in rows] == [None, None, "f"]
        names = (
            "account_id", "book", "seq", "kind", "debit", "credit", "asset", "amount", "balance_after", "request_id",
            "grant_id", "refund_id", "external_id", "effective_at", "posted_at", "digest",
        )  # fmt: skip
        head = bytes(32)
        for row in rows:
            head = sha256(
                head + canonical("billing.transfer.1", *(({"account_id": account_id} | row)[n] for n in names))
            ).digest()
            assert row["hash"] == head.hex()

    def test_filters(self, api: Api) -> None:
        account_id = api.account(100)
        api.settle(api.authorize(account_id), image())
        path = f"/v1/accounts/{account_id}/transfers"
        first, second = api.get(path).json()["data"]
        assert api.get(path, kind="settle").json()["data"] == [second]
        assert api.get(path, start=second["effective_at"]).json()["data"] == [second]
        assert api.get(path, end=second["effective_at"]).json()["data"] == [first]
        assert api.get(path, start=first["effective_at"], end=second["effective_at"]).json()["data"] == [first]


class TestBalance:
    def test_all_fields(self, api: Api) -> None:
        account_id = api.account(credit_limit=50)
        api.grant(account_id, 10, grant_id="late", expires_at="2091-01-01T00:00:00Z")
        api.grant(account_id, 20, grant_id="soon", expires_at="2090-01-01T00:00:00Z")
        api.grant(account_id, 30, grant_id="promo", kind="promotion")
        api.authorize(account_id)
        figures = api.balance(account_id)
        assert set(figures) == BALANCE
        assert all(set(grant) == OPEN_GRANT for grant in figures["grants"])
        assert [grant["grant_id"] for grant in figures["grants"]] == ["promo", "soon", "late"]
        time_of(figures.pop("as_of"))
        figures.pop("grants")
        assert figures == {
            "account_id": account_id,
            "asset": "CREDIT",
            "posted": 60,
            "held": 14,
            "frozen": 0,
            "lapsed": 0,
            "available": 96,
            "credit_limit": 50,
            "debt": 0,
            "has_more_grants": False,
            "next_expiry": {"credits": 20, "at": "2090-01-01T00:00:00Z"},
            "seq": 3,
        }

    def test_no_more_than_a_hundred_grants(self, api: Api) -> None:
        account_id = api.account()
        for number in range(101):
            api.grant(account_id, 1, grant_id=f"g{number}")
        figures = api.balance(account_id)
        assert (len(figures["grants"]), figures["has_more_grants"]) == (100, True)

    def test_as_it_was(self, clocked: Api) -> None:
        """Each event an hour after the one before; then asked between, before and after."""
        account_id = clocked.account()
        hours: list[tuple[int, int, int]] = []  # posted, held, available at the half hours

        def next_hour(posted: int, held: int, available: int) -> None:
            hours.append((posted, held, available))
            set_clock(clocked, START + timedelta(hours=len(hours)))

        next_hour(0, 0, 0)
        clocked.grant(account_id, 100)
        next_hour(100, 0, 100)
        charge = clocked.authorize(account_id, hold_seconds=86_400)
        next_hour(100, 14, 86)
        clocked.settle(charge, image())
        next_hour(86, 0, 86)
        clocked.call("PATCH", f"/v1/accounts/{account_id}", {"credit_limit": 40})
        next_hour(86, 0, 126)
        forgotten = clocked.authorize(account_id, hold_seconds=1_800)
        next_hour(86, 0, 126)  # due in the half hour
        clocked.grant(account_id, 7, kind="promotion", expires_at=utc(START + timedelta(hours=7)))
        next_hour(93, 0, 133)
        next_hour(86, 0, 126)  # the promotion is past its time, and nobody has posted that
        now = clocked.balance(account_id)
        assert (now["lapsed"], now["posted"], now["available"]) == (7, 93, 126)
        assert clocked.get(path_of(forgotten)).json()["status"] == "expired"
        asked = [
            clocked.balance(account_id, at=utc(START + timedelta(hours=n, minutes=30))) for n in range(len(hours) - 1)
        ]
        assert [(f["posted"] - f["lapsed"], f["held"], f["available"]) for f in asked] == hours[:-1]
        assert [f["as_of"] for f in asked] == [
            utc(START + timedelta(hours=n, minutes=30)) for n in range(len(hours) - 1)
        ]
        clocked.grant(account_id, 1)  # whoever touches the account posts what is due
        assert ask(clocked.dsn, "SELECT count(*) FROM transfer WHERE kind = 'expire'") == 1
        again = [clocked.balance(account_id, at=f["as_of"]) for f in asked]
        assert [(f["posted"] - f["lapsed"], f["held"], f["available"]) for f in again] == hours[:-1]

    def test_at_the_instants_themselves(self, clocked: Api) -> None:
        """What takes effect at an instant counts from it on; what ends at it does not count any more."""
        account_id = clocked.account()
        set_clock(clocked, START + timedelta(hours=1))
        clocked.grant(account_id, 100)
        charge = clocked.authorize(account_id, hold_seconds=60)
        granted, authorized = (
            clocked.get(f"/v1/accounts/{account_id}/transfers").json()["data"][0],
            charge["authorized_at"],
        )
        set_clock(clocked, START + timedelta(hours=2))

        def at(moment: str, microseconds: int = 0) -> tuple[int, int]:
            when = datetime.fromisoformat(moment) + timedelta(microseconds=microseconds)
            figures = clocked.balance(account_id, at=utc(when))
            return figures["posted"], figures["held"]

        assert at(granted["effective_at"], -1) == (0, 0)
        assert at(granted["effective_at"])[0] == 100
        assert at(authorized, -1) == (100, 0)
        assert at(authorized) == (100, 14)
        assert at(charge["expires_at"], -1) == (100, 14)
        assert at(charge["expires_at"]) == (100, 0)
        assert at(utc(START - timedelta(days=1))) == (0, 0)
        assert at(utc(START + timedelta(hours=2))) == (100, 0)
        answer = clocked.get(f"/v1/accounts/{account_id}/balance", at=utc(START + timedelta(hours=2, microseconds=1)))
        problem(answer, 422, "validation_error")


def utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def canonical(*values: Any) -> bytes:
    """The form that transfers are hashed in, written from its documentation."""

    def field(name: int, value: Any) -> str:
        if value is None:
            return "-\n"
        if isinstance(value, int):
            return f"i{value}\n"
        if name in (14, 15):
            moment = datetime.fromisoformat(value) - datetime.fromisoformat("1970-01-01T00:00:00Z")
            return f"i{moment // timedelta(microseconds=1)}\n"
        if name == 16:
            return f"x{value}\n"
        return f"{len(value.encode())}:{value}\n"

    return "".join(field(name, value) for name, value in enumerate(values)).encode()
