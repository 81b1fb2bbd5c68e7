"""Model and service together: whatever is asked, in whatever order, both say the same and hold the same."""

import itertools
from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from billing.core.answers import AccountAnswer, ChargeAnswer, GrantAnswer, RefundAnswer
from billing.core.refusals import Refusal

from .ledger import Ledger, Refused, balance, burn_order, debt, lapse, picture
from .world import SECOND_BOOK_AT, START, World

SECOND = timedelta(seconds=1)
SIZES = (
    "auto", "1K", "2K", "4K", "1024x1024", "1280x720", "2048x2048", "3840x2160", "1536x1024",  # priced
    "4096x1376", "1000x1000", "512x512", "4096x4096", "3072x1008", "banana", "01024x1024",  # refused
)  # fmt: skip
MEASURED = (
    (1024, 1024), (1536, 1024), (1537, 1024), (941, 1672), (2048, 2048), (2049, 16), (3840, 2160), (3841, 1), (None, None)
)  # fmt: skip
new_ids = st.sampled_from(["new"] * 5 + ["i0", "i1"])  # `new`: one that was never used
known_ids = st.integers(0, 7) | st.just("i0")  # how many charges ago
seldom = st.sampled_from([False] * 7 + [True])


@st.composite
def reports(draw):
    indexes = draw(st.lists(st.integers(0, 4), unique=True, max_size=5))
    outputs = []
    for index in indexes:
        status = "failed" if draw(seldom) else "succeeded"
        size = draw(st.sampled_from(MEASURED)) if status == "succeeded" else (None, None)
        outputs.append((index, status, *size, draw(st.sampled_from([None, None, "because"]))))
    return tuple(outputs)


opening = st.fixed_dictionaries(
    {
        "credit_limit": st.sampled_from([0, 0, 0, 20, 300]),
        "overage": st.sampled_from(["bill", "bill", "cap"]),
        "hold": st.sampled_from(["quote", "quote", "max"]),
    }
)
amendment = st.one_of(
    st.fixed_dictionaries({"status": st.sampled_from(["active", "active", "suspended"])}),
    st.fixed_dictionaries({"credit_limit": st.sampled_from([0, 5, 150])}),
    st.fixed_dictionaries({"overage": st.sampled_from(["bill", "cap"])}),
    st.fixed_dictionaries({"hold": st.sampled_from(["quote", "max"])}),
)
authorization = st.fixed_dictionaries(
    {
        "request_id": new_ids,
        "model": st.sampled_from(["gpt-image-2"] * 8 + ["gpt-image-1.5", "gpt-image-3"]),
        "n": st.sampled_from([1, 1, 2, 3]),
        "size": st.sampled_from(SIZES[:9] * 4 + SIZES[9:]),
        "quality": st.sampled_from(["low", "low", "medium", "medium", "high", "auto", "max"]),
        "hold_seconds": st.sampled_from([30, 900, 900, 86_400]),
        "price_version": st.sampled_from([None] * 6 + [1, 2]),
        "outputs": st.none() | st.none() | reports(),
    }
)
settlement = st.fixed_dictionaries(
    {"request_id": known_ids, "outputs": reports(), "force": st.sampled_from([False, False, True])}
)
voiding = st.fixed_dictionaries({"request_id": known_ids, "reason": st.sampled_from([None, None, "gone"])})
asked = st.one_of(
    st.just({"credits": None, "outputs": None}),
    st.fixed_dictionaries({"credits": st.integers(1, 40), "outputs": st.none()}),
    st.fixed_dictionaries({"credits": st.none(), "outputs": st.lists(st.integers(0, 3), min_size=1, unique=True)}),
)
refunding = st.builds(
    lambda request_id, refund_id, what: {
        "request_id": request_id,
        "refund_id": refund_id,
        "reason": "sorry",
        "credits": what["credits"],
        "outputs": what["outputs"] and tuple(sorted(what["outputs"])),
    },
    known_ids,
    new_ids,
    asked,
)
lifetimes = st.sampled_from([None, None, None, None, 1, 30, 60, 600, 901, 86_400, -5])
granting = st.fixed_dictionaries(
    {
        "grant_id": new_ids,
        "kind": st.sampled_from(["purchase", "purchase", "purchase", "promotion", "plan", "adjustment"]),
        "credits": st.sampled_from([1, 7, 20, 50, 200, 500]),
        "expires_at": lifetimes,  # seconds from now, until it is asked for
        "priority": st.sampled_from([None, None, None, None, 0, 40]),
        "paid_micros": st.sampled_from([None, 0, 333, 9_990_000]),
        "funding": st.sampled_from(["bank", "stripe_clearing"]),
    }
)
places = st.integers(0, 1)
MOVES = {
    "open": opening, "amend": amendment, "grant": granting, "authorize": authorization, "settle": settlement,
    "void": voiding, "refund": refunding,
}  # fmt: skip
moves = st.one_of(
    *(
        st.tuples(st.just(name), places, MOVES[name])
        for name in ("authorize", "authorize", "settle", "settle", "void", "refund", "grant", "grant", "amend", "open")
    )
)


class Together(RuleBasedStateMachine):
    """Each step asks both, compares what they say, then what they hold."""

    def __init__(self, world, new_account_id):
        super().__init__()
        self.world, self.model = world, Ledger(SECOND_BOOK_AT)
        self.accounts = [new_account_id(), new_account_id()]
        self.now = START
        self.history, self.past = [], []
        self.charges = {account_id: [] for account_id in self.accounts}
        self.numbers = itertools.count()

    @initialize(first=opening, second=opening, credits=granting)
    def begin(self, first, second, credits):
        self.ask([("open", 0, first), ("open", 1, second), ("grant", 0, credits)])

    @rule(body=authorization, place=places)
    def authorize(self, body, place):
        self.ask([("authorize", place, body)])

    @rule(body=settlement, place=places)
    def settle(self, body, place):
        self.ask([("settle", place, body)])

    @rule(data=st.data(), outputs=reports())
    def settle_one_that_is_open(self, data, outputs):
        known = [
            (a, r)
            for a, account in self.model.accounts.items()
            for r, c in account["charges"].items()
            if c["status"] != "settled"
        ]
        if known:
            account_id, request_id = data.draw(st.sampled_from(known))
            body = {"request_id": request_id, "outputs": outputs, "force": False}
            self.ask([("settle", self.accounts.index(account_id), body)])

    @rule(data=st.data(), outputs=reports(), days=st.integers(0, 1), late=st.sampled_from([-1, 0, 1]))
    def settle_at_the_edge(self, data, outputs, days, late):
        """At the end of its hold, or of the day in which an expired charge can still be settled."""
        open_ones = [
            (a, r, c["expires_at"] + timedelta(days=days))
            for a, account in self.model.accounts.items()
            for r, c in account["charges"].items()
            if c["status"] in ("authorized", "expired")
        ]
        open_ones = [one for one in open_ones if one[2] > self.now + 2 * SECOND]
        if open_ones:
            account_id, request_id, edge = data.draw(st.sampled_from(open_ones))
            self.now = edge + late * timedelta(microseconds=1) - SECOND
            body = {"request_id": request_id, "outputs": outputs, "force": False}
            self.ask([("settle", self.accounts.index(account_id), body)])

    @rule(body=voiding, place=places)
    def void(self, body, place):
        self.ask([("void", place, body)])

    @rule(body=granting, place=places)
    def grant(self, body, place):
        self.ask([("grant", place, body)])

    @rule(body=refunding, place=places)
    def refund(self, body, place):
        self.ask([("refund", place, body)])

    @rule(data=st.data(), body=refunding)
    def refund_one_that_was_billed(self, data, body):
        billed = [
            (a, c["request_id"])
            for a, account in self.model.accounts.items()
            for c in account["settled"]
            if c["settled"]
        ]
        if billed:
            account_id, request_id = data.draw(st.sampled_from(billed))
            self.ask([("refund", self.accounts.index(account_id), body | {"request_id": request_id})])

    @rule(body=amendment, place=places)
    def amend(self, body, place):
        self.ask([("amend", place, body)])

    @rule(
        place=places,
        credits=granting,
        bodies=st.lists(authorization, min_size=1, max_size=3),
        seconds=st.sampled_from([60, 600, 901]),  # 901: together with the first hold
        ends=st.sampled_from(["settle", "void", "grant", "refund"]),
        outputs=reports(),
    )
    def a_grant_lapses_under_holds(self, place, credits, bodies, seconds, ends, outputs):
        """What the holds would draw from it is kept: for what comes next to spend, to leave or to replace."""
        plain = {"model": "gpt-image-2", "size": "1K", "quality": "medium", "price_version": None}
        lasting = credits | {"grant_id": "new", "expires_at": None, "priority": 0}
        if ends == "refund":
            at_once = {"request_id": "new", "outputs": ((0, "succeeded", 1024, 1024, None),)}
            self.ask([("grant", place, lasting), ("authorize", place, bodies[0] | plain | at_once)])
        self.ask([("grant", place, credits | {"grant_id": "new", "expires_at": seconds, "priority": 10})])
        for body in bodies:
            once = {"outputs": None, "hold_seconds": 900, "request_id": "new"}
            self.ask([("authorize", place, body | plain | once)])
        self.now += (seconds - len(bodies)) * SECOND
        first_hold = {"request_id": len(bodies) - 1}
        match ends:
            case "settle":
                self.ask([("settle", place, first_hold | {"outputs": outputs, "force": False})])
            case "void":
                self.ask([("void", place, first_hold | {"reason": None})])
            case "grant":
                self.ask([("grant", place, lasting)])
            case "refund":
                what = {"refund_id": "new", "reason": "", "credits": None, "outputs": None}
                self.ask([("refund", place, {"request_id": len(bodies)} | what)])

    @rule(batch=st.lists(moves, min_size=2, max_size=6))
    def batch(self, batch):
        self.ask(batch)

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def replay(self, data):
        self.ask([data.draw(st.sampled_from(self.history))], anew=False)

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def same_id_other_content(self, data):
        name, account_id, body = data.draw(st.sampled_from(self.history))
        fresh = data.draw(MOVES[name])
        changed = data.draw(st.sampled_from([key for key in body if not key.endswith("_id")]))
        if changed != "expires_at":
            if name == "refund" and changed in ("credits", "outputs"):
                body = body | {"credits": fresh["credits"], "outputs": fresh["outputs"]}
            self.ask([(name, account_id, body | {changed: fresh.get(changed, body[changed])})], anew=False)

    @rule(seconds=st.sampled_from([0, 29, 59, 899, 3_600, 86_398, 86_400]))
    def clock(self, seconds):
        self.now += seconds * SECOND

    @rule(late=st.sampled_from([-1, 0, 1]), data=st.data())
    def clock_to_the_edge(self, late, data):
        """The next step finds a hold, a grant or a late settlement's last day at its very end."""
        edges = [SECOND_BOOK_AT]
        for account in self.model.accounts.values():
            edges += [charge["expires_at"] for charge in account["charges"].values()]
            edges += [charge["expires_at"] + timedelta(days=1) for charge in account["charges"].values()]
            edges += [grant["expires_at"] for grant in account["grants"].values() if grant["expires_at"]]
        edges = [edge for edge in edges if edge > self.now + 2 * SECOND]
        if edges:
            self.now = data.draw(st.sampled_from(sorted(edges))) + late * timedelta(microseconds=1) - SECOND

    @precondition(lambda self: self.past)
    @rule(data=st.data(), seconds=st.sampled_from([0, 0, 1, 59, 899, 86_400]))
    def look_back(self, data, seconds):
        """The figures of a moment in the past, whether or not anything was written then."""
        since, account_id, account = data.draw(st.sampled_from(self.past[-20:]))
        later = [moment for moment, other, _ in self.past if other == account_id and moment > since]
        at = min([since + seconds * SECOND, self.now, *(moment - timedelta(microseconds=1) for moment in later)])
        account = deepcopy(account)
        lapse(account, at)
        posted, held, available = balance(account)
        self.world.set_clock(self.now)
        shown = self.world.figures_at(account_id, at)
        assert (shown.posted - shown.lapsed, shown.held, shown.available) == (posted, held, available)

    def ask(self, batch, *, anew=True):
        self.now += SECOND
        if anew:
            batch = self.spelled(batch)
            self.history += batch
        self.world.set_clock(self.now)
        expected = [self.predict(*move) for move in batch]
        got = [shape(result) for result in self.world.post_many(batch)]
        assert got == expected
        touched = {account_id for _, account_id, _ in batch} & set(self.model.accounts)
        tables = self.world.audit(*touched)
        for account_id in touched:
            account = self.model.accounts[account_id]
            assert figures_of(tables[account_id]) == figures(account)
            self.past.append((self.now, account_id, deepcopy(account)))
        for account_id in self.model.accounts:
            self.compare_sheet(account_id)

    def compare_sheet(self, account_id):
        """What is shown now: also of an account that nobody has touched since something fell due on it."""
        stored = self.model.accounts[account_id]
        account = deepcopy(stored)
        sheet = self.world.sheet(account_id)
        shown = sheet
        # Just after a row was written the reader's instant is the next one: no two may share the last row's.
        assert shown.as_of in (self.now, self.now + timedelta(microseconds=1))
        lapse(account, shown.as_of)
        posted, held, available = balance(account)
        assert (shown.posted - shown.lapsed, shown.held, shown.available) == (posted, held, available)
        assert (shown.posted, sheet.debt, sheet.seq) == (balance(stored)[0], debt(account), len(stored["journal"]))
        left = {grant["grant_id"]: grant["remaining"] for grant in burn_order(account) if grant["remaining"]}
        assert [(grant.grant_id, grant.remaining) for grant in sheet.grants] == list(left.items())

    def spelled(self, batch):
        """The moves with accounts, ids and instants put in: `new` ids, charges by how long ago they came."""
        spelled = []
        for name, place, body in batch:
            account_id = self.accounts[place]
            charges = self.charges[account_id]
            body = dict(body)
            for key in ("request_id", "grant_id", "refund_id"):
                if body.get(key) == "new":
                    body[key] = f"n{next(self.numbers)}"
            if isinstance(ago := body.get("request_id"), int):
                body["request_id"] = charges[-1 - ago % len(charges)] if charges else "i0"
            if name == "authorize":
                charges.append(body["request_id"])
            if body.get("expires_at") is not None:
                body["expires_at"] = self.now + body["expires_at"] * SECOND
            spelled.append((name, account_id, body))
        return spelled

    def predict(self, name, account_id, body):
        try:
            return self.model.post(self.now, name, account_id, **body)
        except Refused as refusal:
            return refusal.code, refusal.facts


def shape(result):
    """What the service said, as the model says it."""
    match result:
        case Refusal():
            facts = ("available", "required", "refundable", "charge_status", "current")
            return result.code, {name: value for name, value in result.facts().items() if name in facts}
        case Exception():
            raise result
        case ChargeAnswer(replayed, charge, outputs, balance):
            return {
                "replayed": replayed,
                "charge": drawn(charge._asdict(), [o._asdict() for o in outputs]),
                "balance": balance,
            }
        case RefundAnswer(replayed, refund, _, _, balance):
            return {"replayed": replayed, "credits": refund.credits, "balance": balance}
        case GrantAnswer(replayed, grant, balance):
            return {"replayed": replayed, "remaining": grant.remaining, "balance": balance}
        case AccountAnswer(replayed, _, settings):
            names = ("status", "credit_limit", "overage", "hold")
            return {"replayed": replayed, "settings": {name: getattr(settings, name) for name in names}}


def drawn(charge, outputs):
    names = ("status", "quoted_credits", "held_credits", "settled_credits", "refunded_credits")
    return (
        *(charge[name] for name in names),
        list(charge["flags"]),
        *tuple(
            (o["index"], o["status"], o["size_tier"], o["credits"], o["refunded_credits"], sorted(o["flags"]))
            for o in outputs
        ),
    )


GRANT_FIGURES = ("granted", "remaining", "used", "expired", "moved", "priority", "expires_at")


def figures(account):
    """Everything the model holds of an account, to be compared with the tables."""
    posted, held, _ = balance(account)
    return {
        "account": (posted, held, debt(account)),
        "settings": account["settings"],
        "grants": {
            g["grant_id"]: (*(g[name] for name in GRANT_FIGURES), g["paid"]) for g in account["grants"].values()
        },
        "charges": {request_id: picture(charge) for request_id, charge in account["charges"].items()},
        "available": {request_id: charge["available"] for request_id, charge in account["charges"].items()},
        "journal": account["journal"],
        "money": account["money"],
    }


def figures_of(tables):
    row = tables.account
    names = ("kind", "amount", "grant_id", "request_id", "refund_id")
    outputs = {charge["request_id"]: [] for charge in tables.charge}
    for output in tables.output:
        outputs[output["request_id"]].append(output)
    return {
        "account": (row["posted"], row["held"], row["debt"]),
        "settings": {name: row[name] for name in ("status", "credit_limit", "overage", "hold")},
        "grants": {g["grant_id"]: (*(g[name] for name in GRANT_FIGURES), g["paid_micros"]) for g in tables.grant},
        "charges": {charge["request_id"]: drawn(charge, outputs[charge["request_id"]]) for charge in tables.charge},
        "available": {charge["request_id"]: charge["available_credits"] for charge in tables.charge},
        "journal": [tuple(t[name] for name in names) for t in tables.transfer if t["book"] == "wallet"],
        "money": [(t["kind"], t["amount"], t["grant_id"]) for t in tables.transfer if t["book"] == "money"],
    }


@pytest.fixture
def world(fresh_database):
    with World(fresh_database) as world:
        yield world


def test_model_and_service_agree(world, new_account_id):
    run_state_machine_as_test(
        lambda: Together(world, new_account_id),
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            report_multiple_bugs=False,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
