"""The invariants, read from the tables by somebody who was not there: sums, sequences, chains and digests.

`audit` loads accounts in one snapshot and asserts what must hold at rest; the canonical bytes are written anew
from the journal's documentation.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from types import SimpleNamespace

TABLES = (
    "transfer", "grant", "charge", "output", "hold", "debt", "fill", "refund", "refund_output", "returned", "correction", "correction_output", "account_change", "topup", "card_refund", "clawback",
    "dispute", "stripe_transaction", "usage_bucket", "usage_day", "recognition",
)  # fmt: skip
ORDERS = {
    "transfer": "book, seq",
    "output": "request_id, index",
    "grant": "seq",
    "debt": "seq",
    "refund": "first_seq",
    "correction": "first_seq",
}
ROUTES = {
    "grant": ("wallet", "issued", "wallet"),
    "settle": ("wallet", "wallet", "consumed"),
    "refund": ("wallet", "consumed", "wallet"),
    "supplement": ("wallet", "wallet", "consumed"),
    "reduction": ("wallet", "consumed", "wallet"),
    "expire": ("wallet", "wallet", "expired"),
    "revoke": ("wallet", "wallet", "revoked"),
    "restore": ("wallet", "revoked", "wallet"),
    "purchase_bank": ("money", "bank", "deferred_revenue"),
    "purchase_stripe_clearing": ("money", "stripe_clearing", "deferred_revenue"),
    "recognise_usage": ("money", "deferred_revenue", "revenue_usage"),
    "recognise_breakage": ("money", "deferred_revenue", "revenue_breakage"),
    "reverse_usage": ("money", "revenue_usage", "deferred_revenue"),
    "reverse_breakage": ("money", "revenue_breakage", "deferred_revenue"),
    "card_refund_deferred": ("money", "deferred_revenue", "stripe_clearing"),
    "card_refund": ("money", "refunds", "stripe_clearing"),
    "card_refund_deferred_failed": ("money", "stripe_clearing", "deferred_revenue"),
    "card_refund_failed": ("money", "stripe_clearing", "refunds"),
    "dispute_opened": ("money", "disputed", "stripe_clearing"),
    "dispute_won": ("money", "stripe_clearing", "disputed"),
    "dispute_lost_deferred": ("money", "deferred_revenue", "disputed"),
    "dispute_lost": ("money", "dispute_losses", "disputed"),
    "dispute_opened_undone": ("money", "stripe_clearing", "disputed"),
    "dispute_won_undone": ("money", "disputed", "stripe_clearing"),
    "dispute_lost_deferred_undone": ("money", "disputed", "deferred_revenue"),
    "dispute_lost_undone": ("money", "disputed", "dispute_losses"),
    "fee": ("money", "processor_fees", "stripe_clearing"),
    "fee_returned": ("money", "stripe_clearing", "processor_fees"),
    "payout": ("money", "bank", "stripe_clearing"),
    "payout_failed": ("money", "stripe_clearing", "bank"),
    "reserve_held": ("money", "stripe_reserve", "stripe_clearing"),
    "reserve_released": ("money", "stripe_clearing", "stripe_reserve"),
    "balance_funded": ("money", "stripe_clearing", "bank"),
    "balance_funding_returned": ("money", "bank", "stripe_clearing"),
    "other_business_out": ("money", "other_business", "stripe_clearing"),
    "other_business_in": ("money", "stripe_clearing", "other_business"),
}
# What the processor reports, and the transfers that carry its amount under the name that it is booked as.
CARRIED_BY = {
    "payment": {"purchase_stripe_clearing"},
    "refund": {"card_refund_deferred", "card_refund"},
    "refund_failed": {"card_refund_deferred_failed", "card_refund_failed"},
    "dispute_opened": {"dispute_opened", "dispute_opened_undone"},
    "dispute_won": {"dispute_won", "dispute_won_undone"},
    "fee": set(),
}
PAID = ("paid", "refunded", "disputed")
IN_THE_CHAIN = (
    "account_id", "book", "seq", "kind", "debit", "credit", "asset", "amount", "balance_after", "request_id",
    "grant_id", "refund_id", "external_id", "effective_at", "posted_at", "digest",
)  # fmt: skip
IN_THE_DIGEST = (
    "account_id", "request_id", "model", "operation", "mode", "n", "size", "quality", "billed_quality",
    "quoted_tier", "quoted_credits", "price_version", "settled_credits", "flags", "authorized_at", "resolved_at",
)  # fmt: skip
OF_AN_OUTPUT = ("index", "status", "width", "height", "size_tier", "credits", "flags")


async def audit(connection, *account_ids):
    """The accounts' rows by table, each account checked. Raises AssertionError naming the account."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        accounts = await connection.fetch("SELECT * FROM account WHERE account_id = ANY($1)", account_ids)
        found = {row["account_id"]: SimpleNamespace(account=row) for row in accounts}
        for rows in found.values():
            rows.__dict__.update({table: [] for table in TABLES})
        for table in TABLES:
            order = f"ORDER BY {ORDERS[table]}" if table in ORDERS else ""
            query = f'SELECT * FROM "{table}" WHERE account_id = ANY($1) {order}'
            for row in await connection.fetch(query, account_ids):
                getattr(found[row["account_id"]], table).append(row)
    for account_id, rows in found.items():
        try:
            _check(rows)
        except AssertionError as wrong:
            wrong.add_note(f"account {account_id}")
            raise
    return found


def _check(rows):
    account, journal = rows.account, rows.transfer
    wallet = [row for row in journal if row["book"] == "wallet"]
    money = [row for row in journal if row["book"] == "money"]
    _check_book(wallet, account["wallet_seq"], account["wallet_head"])
    _check_book(money, account["money_seq"], account["money_head"])
    for row in journal:
        assert (row["book"], row["debit"], row["credit"]) == ROUTES[row["kind"]]
    flow = defaultdict(int)
    for row in wallet:
        flow[row["kind"]] += row["amount"]

    # I1: the ledger accounts against what they are sums of
    originals = [grant for grant in rows.grant if grant["origin_grant_id"] is None]
    assert flow["grant"] == sum(grant["granted"] for grant in originals)
    assert flow["settle"] == sum(charge["settled_credits"] for charge in rows.charge)
    corrections = [row["credits"] for row in rows.correction]
    assert (flow["supplement"], flow["reduction"]) == (
        sum(credits for credits in corrections if credits > 0), -sum(credits for credits in corrections if credits < 0)
    )  # fmt: skip
    assert flow["refund"] == sum(refund["credits"] for refund in rows.refund)
    assert flow["expire"] == sum(grant["expired"] for grant in rows.grant)
    assert flow["revoke"] - flow["restore"] == sum(grant["clawed"] for grant in rows.grant)

    # I2: posted, every balance on the way to it
    posted = 0
    for row in wallet:
        posted += row["amount"] if row["credit"] == "wallet" else -row["amount"]
        assert row["balance_after"] == posted
    assert account["posted"] == posted

    # I3: holds are those of authorized charges, and nothing due is left once the account was touched
    authorized = {c["request_id"]: c["held_credits"] for c in rows.charge if c["status"] == "authorized"}
    assert {hold["request_id"]: hold["credits"] for hold in rows.hold} == authorized
    assert account["held"] == sum(authorized.values())
    assert all(hold["expires_at"] > account["last_at"] for hold in rows.hold)

    _check_grants(rows)
    for charge in rows.charge:
        _check_charge(charge, rows)
    for refund in rows.refund:  # I7
        parts = wallet[refund["first_seq"] - 1 : refund["last_seq"]]
        assert {(part["kind"], part["refund_id"]) for part in parts} == {("refund", refund["refund_id"])}
        assert sum(part["amount"] for part in parts) == refund["credits"]
    waiting = [grant for grant in rows.grant if grant["open"] and not grant["frozen"]]
    moments = [grant["expires_at"] for grant in waiting if grant["expires_at"]]
    moments += [hold["expires_at"] for hold in rows.hold]
    assert not moments or account["due_at"] <= min(moments), "what is due would be overlooked"
    _check_usage(rows)
    _check_money(rows, money, originals)
    _check_topups(rows, money)
    _check_transactions(rows, money)


def _check_usage(rows):
    """I11: what is counted, by the quarter of an hour and by the day, is what was billed and corrected, less what was refunded."""
    charges = {charge["request_id"]: charge for charge in rows.charge}
    outputs = {(output["request_id"], output["index"]): output for output in rows.output}
    quarters, days = defaultdict(lambda: [0, 0, 0, 0]), defaultdict(lambda: [0, 0, 0, 0])

    def count(output, at, *counts):
        charge = charges[output["request_id"]]
        kind = (
            charge["model"], charge["operation"], output["size_tier"] or "", charge["billed_quality"],
            charge["api_key_id"] or "",
        )  # fmt: skip
        minutes = int(at.timestamp()) // 900 * 15
        for place, number in enumerate(counts):
            quarters[(minutes, *kind)][place] += number

    for output in rows.output:
        delivered = output["status"] == "succeeded"
        at = charges[output["request_id"]]["resolved_at"]
        count(output, at, output["index"] == 0, delivered, not delivered, output["credits"])
    # In the journal's order: an output counts where it stood before, and from a correction on where it was found to be.
    standing = {key: dict(output) for key, output in outputs.items()}
    costs = {key: output["credits"] for key, output in outputs.items()}
    for row in sorted([*rows.refund, *rows.correction], key=lambda row: row["first_seq"]):
        kind = "refund" if "refund_id" in row else "correction"
        for part in getattr(rows, f"{kind}_output"):
            if part[f"{kind}_id"] != row[f"{kind}_id"]:
                continue
            key, at = (row["request_id"], part["index"]), row["created_at"]
            if kind == "refund":
                assert part["size_tier"] == standing[key]["size_tier"]
                count(standing[key], at, 0, 0, 0, -part["credits"])
                continue
            status, tier, before, after = (part[n] for n in ("status", "size_tier", "credits_before", "credits_after"))
            assert (part["status_before"], part["size_tier_before"]) == (
                standing[key]["status"],
                standing[key]["size_tier"],
            )
            assert before == costs[key]
            for sign, credits in ((-1, before), (1, after)):
                delivered = standing[key]["status"] == "succeeded"
                count(standing[key], at, 0, sign * delivered, sign * (not delivered), sign * credits)
                standing[key] |= {"status": status, "size_tier": tier}
            costs[key] = after
    assert costs == {key: output["credits"] + output["corrected_credits"] for key, output in outputs.items()}
    found = {(int(row["quarter_hour"].timestamp()) // 60, *row[2:7]): list(row[7:]) for row in rows.usage_bucket}
    assert found == quarters
    last_day = int(rows.account["last_at"].timestamp()) // 86_400 * 1440
    for (minutes, *kind), counts in quarters.items():
        if minutes < last_day:
            for place, number in enumerate(counts):
                days[(minutes // 1440 * 1440, *kind)][place] += number
    summed = {(int(row["day"].timestamp()) // 60, *row[2:7]): [part[-1] for part in row[8:]] for row in rows.usage_day}
    assert summed == days


def _check_money(rows, money, originals):
    """I12: what was paid, and neither recognised nor returned, is deferred; what is disputed."""
    _check_recognition(rows, money)
    currency_of = {topup["topup_id"]: topup["currency"] for topup in rows.topup}
    expected = defaultdict(int)
    for grant in originals:
        if grant["paid_micros"]:
            expected["deferred_revenue", grant["currency"]] += grant["paid_micros"]
    grants = {grant["grant_id"]: grant for grant in rows.grant}
    for row in rows.recognition:
        earned = row["usage_micros"] + row["breakage_micros"]
        expected["deferred_revenue", grants[row["grant_id"]]["currency"]] -= earned
    for row in rows.card_refund:
        assert row["status"] in ("succeeded", "failed")
        if row["status"] == "succeeded":
            expected["deferred_revenue", currency_of[row["topup_id"]]] -= row["deferred_micros"]
    for row in rows.dispute:
        assert row["status"] == "lost" or not row["deferred_micros"]
        expected["deferred_revenue", currency_of[row["topup_id"]]] -= row["deferred_micros"]
        if row["status"] == "open":
            expected["disputed", currency_of[row["topup_id"]]] -= max(
                row["withdrawn_micros"] - row["reinstated_micros"], 0
            )
    found = defaultdict(int)
    for row in money:
        for side, sign in (("credit", 1), ("debit", -1)):
            if row[side] in ("deferred_revenue", "disputed"):
                found[row[side], row["asset"]] += sign * row["amount"]
    assert {key: sum_ for key, sum_ in found.items() if sum_} == {key: sum_ for key, sum_ in expected.items() if sum_}


def _check_recognition(rows, money):
    """I12: what is recognised of each grant was posted for it and, where nothing is missing, is what it has come to."""
    posted = defaultdict(int)
    for row in money:
        verb, _, what = row["kind"].partition("_")
        if what in ("usage", "breakage"):
            posted[row["grant_id"], what] += row["amount"] if verb == "recognise" else -row["amount"]
            assert row["amount"]
    known = defaultdict(int)
    for row in rows.recognition:
        known[row["grant_id"], "usage"], known[row["grant_id"], "breakage"] = (
            row["usage_micros"],
            row["breakage_micros"],
        )
    assert {key: micros for key, micros in posted.items() if micros} == {key: n for key, n in known.items() if n}
    account = rows.account
    assert 0 <= account["recognised_seq"] <= account["wallet_seq"]
    if (account["recognised_seq"], account["recognised_at"]) != (account["wallet_seq"], account["last_at"]):
        return
    returned = {
        ("" if topup["via"] == "recharge" else "pack:") + topup["topup_id"] + ":1": topup["returned_deferred_micros"]
        for topup in rows.topup
    }
    for grant in rows.grant:
        paid, granted, name = grant["paid_micros"] or 0, grant["granted"], grant["grant_id"]
        to_successors = sum(one["paid_micros"] or 0 for one in rows.grant if one["origin_grant_id"] == name)
        used = paid * (grant["used"] + grant["moved"]) // granted
        gone = paid * (grant["used"] + grant["moved"] + grant["expired"]) // granted
        taken_back = -(-paid * grant["revoked"] // granted)
        assert known[name, "usage"] == used - to_successors
        assert known[name, "breakage"] == gone - used + taken_back - returned.get(name, 0)


def _check_topups(rows, money):
    """I12: no credits without money, no money without credits, and what went back of either."""
    grants = {grant["grant_id"]: grant for grant in rows.grant}
    ours = {name for name in grants if name.startswith(("pack:", "recharge:"))}
    for topup in rows.topup:
        prefix = ("" if topup["via"] == "recharge" else "pack:") + topup["topup_id"] + ":"
        mine = [grants[name] for name in sorted(ours) if name.rpartition(":")[0] + ":" == prefix]
        ours -= {grant["grant_id"] for grant in mine}
        refunds = [row for row in rows.card_refund if row["topup_id"] == topup["topup_id"]]
        disputes = [row for row in rows.dispute if row["topup_id"] == topup["topup_id"]]
        if topup["status"] not in PAID:
            assert not mine
            assert not refunds
            assert not disputes
            assert topup["paid_at"] is None
            continue
        diluted = topup["bonus"] == "dilutes"
        brought = [(topup["credits"] + (topup["bonus_credits"] if diluted else 0), topup["price_micros"])]
        if topup["bonus_credits"] and not diluted:
            brought.append((topup["bonus_credits"], 0))
        bought = [grant for grant in mine if grant["origin_grant_id"] is None]
        assert [(grant["granted"], grant["paid_micros"]) for grant in bought] == brought
        assert all(grant["reference"] == topup["payment_id"] for grant in bought)
        assert all(grant["currency"] == topup["currency"] for grant in bought)
        paid = [row for row in money if row["grant_id"] == prefix + "1" and row["kind"] == "purchase_stripe_clearing"]
        assert [(row["amount"], row["asset"], row["external_id"]) for row in paid] == [
            (topup["price_micros"], topup["currency"], topup["payment_id"])
        ]
        withdrawn = {row["dispute_id"]: max(row["withdrawn_micros"] - row["reinstated_micros"], 0) for row in disputes}
        gone = [row for row in refunds if row["status"] == "succeeded"]
        lost = [row for row in disputes if row["status"] == "lost"]
        returned = sum(row["amount_micros"] for row in gone) + sum(withdrawn[row["dispute_id"]] for row in lost)
        assert topup["returned_micros"] == returned
        assert topup["returned_deferred_micros"] == sum(row["deferred_micros"] for row in (*gone, *lost))
        is_open = [row for row in disputes if row["status"] == "open"]
        assert topup["disputed_micros"] == sum(withdrawn[row["dispute_id"]] for row in is_open)
        if is_open or lost:
            assert topup["status"] == "disputed"
        else:
            assert topup["status"] == ("refunded" if topup["returned_micros"] >= topup["price_micros"] else "paid")
        # What was taken is what went back comes to, less what had expired; to a credit where some was given back.
        undone = sum(row["status"] == "failed" for row in refunds) + sum(row["undone"] for row in disputes)
        for grant in bought:
            share = -(-grant["granted"] * min(topup["returned_micros"], topup["price_micros"]) // topup["price_micros"])
            assert undone or share - grant["expired"] <= grant["clawed"] <= share
        # Usage and expiry never come to what was returned out of deferred revenue.
        first = bought[0]
        used_up = first["paid_micros"] * (first["used"] + first["expired"] + first["moved"]) // first["granted"]
        assert first["paid_micros"] - used_up >= topup["returned_deferred_micros"]
    assert not ours, "credits without a top-up"


def _check_transactions(rows, money):
    """I13, as far as one account shows it: what the processor says is what was posted for it."""
    carried, fees = defaultdict(int), defaultdict(int)
    for row in rows.stripe_transaction:
        by_sign = {"payout"} if row["amount_micros"] < 0 else {"payout_failed"}
        kinds = tuple(sorted(CARRIED_BY.get(row["event"], by_sign)))
        carried[row["booked_as"], row["currency"], kinds] += row["amount_micros"]
        fees[row["transaction_id"], row["currency"]] += row["fee_micros"]
    for (booked_as, currency, kinds), amount in carried.items():
        posted = [
            row["amount"] if row["debit"] == "stripe_clearing" else -row["amount"]
            for row in money
            if row["kind"] in kinds and row["external_id"] == booked_as and row["asset"] == currency
        ]
        assert sum(posted) == amount
    for row in money:
        if row["kind"] in ("fee", "fee_returned"):
            fees[row["external_id"], row["asset"]] += row["amount"] if row["kind"] == "fee_returned" else -row["amount"]
        if row["kind"] in ("payout", "payout_failed"):
            assert (row["external_id"], row["asset"], (row["kind"],)) in carried
    assert not any(fees.values())


def _check_grants(rows):
    account, grants = rows.account, rows.grant
    assert account["frozen"] == sum(grant["remaining"] for grant in grants if grant["frozen"])
    owed = sum(debt["outstanding"] for debt in rows.debt)
    assert account["debt"] == owed
    assert sum(grant["remaining"] for grant in grants) - owed == account["posted"]  # I6
    lapsed = {g["grant_id"] for g in grants if g["expires_at"] and g["expires_at"] <= account["last_at"]}
    usable = [g for g in grants if g["remaining"] and not g["frozen"] and g["grant_id"] not in lapsed]
    assert not (owed and usable), "credits are left while debt is owed"
    used = defaultdict(int)
    for row in rows.transfer:
        used[row["grant_id"]] += row["amount"] if row["kind"] in ("settle", "supplement") else 0
    for fill in rows.fill:
        used[fill["grant_id"]] += fill["credits"]
    for row in rows.returned:
        used[row["drawn_from"]] -= row["credits"] if row["returned_to"] in (row["drawn_from"], None) else 0
    for grant in grants:
        parts = ("remaining", "used", "expired", "revoked", "moved")
        assert sum(grant[part] for part in parts) == grant["granted"]
        assert all(grant[part] >= 0 for part in parts)
        assert grant["open"] == (grant["remaining"] > 0)
        assert grant["used"] + grant["moved"] == used[grant["grant_id"]]
        assert grant["revoked"] <= grant["clawed"] <= grant["granted"]
    _check_clawbacks(rows)
    filled = defaultdict(int)
    for fill in rows.fill:
        filled[fill["seq"]] += fill["credits"]
    forgiven = sum(row["credits"] - row["outstanding"] - filled[row["seq"]] for row in rows.debt)
    assert forgiven == sum(row["credits"] for row in rows.returned if row["drawn_from"] is None)
    undone = [row for row in rows.transfer if row["kind"] in ("refund", "reduction")]
    assert {(row["seq"], row["credits"], row["request_id"], row["returned_to"]) for row in rows.returned} == {
        (row["seq"], row["amount"], row["request_id"], row["grant_id"]) for row in undone
    }


def _check_clawbacks(rows):
    """What card refunds and lost disputes say that they took is what was revoked for them; and what came back."""
    taken, revoked = defaultdict(int), defaultdict(int)
    for row in rows.clawback:
        taken[row["grant_id"]] += row["revoked"] + row["owed"]
        revoked[row["external_id"], row["grant_id"]] += row["revoked"]
        revoked[row["external_id"], None] += row["owed"]
    born = {grant["seq"]: grant["origin_grant_id"] for grant in rows.grant}
    failed = {row["card_refund_id"] for row in rows.card_refund if row["status"] == "failed"}
    failed |= {row["dispute_id"] for row in rows.dispute if row["undone"]}
    for row in rows.transfer:
        if row["kind"] == "revoke":
            revoked[row["external_id"], row["grant_id"]] -= row["amount"]
        if row["kind"] == "restore":
            taken[born.get(row["seq"], row["grant_id"])] -= row["amount"]
            assert row["external_id"] in failed
    assert not any(revoked.values())
    clawed = {grant["grant_id"]: grant["clawed"] for grant in rows.grant}
    assert {grant_id: credits for grant_id, credits in taken.items() if credits} == {
        grant_id: credits for grant_id, credits in clawed.items() if credits
    }
    drawn = {row["seq"]: row for row in rows.transfer if row["book"] == "wallet"}
    for debt in rows.debt:
        source = drawn[debt["seq"]]
        assert source["kind"] in (("revoke",) if debt["request_id"] is None else ("settle", "supplement"))
        assert (source["grant_id"], source["request_id"], source["amount"]) == (
            None,
            debt["request_id"],
            debt["credits"],
        )
    for fill in rows.fill:
        brought = drawn[fill["paid_by_seq"]]
        assert brought["kind"] in ("grant", "refund", "reduction", "restore")
        assert brought["grant_id"] in (fill["grant_id"], None)


def _check_charge(charge, rows):
    mine = [row for row in rows.transfer if row["request_id"] == charge["request_id"]]
    outputs = [row for row in rows.output if row["request_id"] == charge["request_id"]]
    refunds = [row["credits"] for row in rows.refund if row["request_id"] == charge["request_id"]]
    settlement = [row for row in mine if row["kind"] == "settle"]
    assert charge["held_credits"] <= charge["available_credits"]  # I4
    assert charge["one_step"] or charge["quoted_credits"] <= charge["held_credits"]
    assert charge["quoted_credits"] <= charge["available_credits"]
    corrections = [row for row in rows.correction if row["request_id"] == charge["request_id"]]
    corrected = sum(row["credits"] for row in corrections)
    assert sum(refunds) == charge["refunded_credits"] <= charge["settled_credits"] + corrected  # I5
    assert sum(row["corrected_credits"] for row in outputs) == charge["corrected_credits"] == corrected
    for row in corrections:
        moved = [one for one in mine if row["first_seq"] <= one["seq"] <= row["last_seq"] and one["book"] == "wallet"]
        assert {one["kind"] for one in moved} == {"reduction" if row["credits"] < 0 else "supplement"}
        assert sum(one["amount"] for one in moved) == abs(row["credits"])
    assert sum(row["refunded_credits"] for row in outputs) == charge["refunded_credits"]
    assert sum(row["credits"] for row in outputs) == charge["settled_credits"]  # I9
    assert all(row["credits"] == 0 for row in outputs if row["status"] == "failed")
    assert sum(row["amount"] for row in settlement) == charge["settled_credits"]
    if charge["status"] == "settled":
        assert [row["seq"] for row in settlement] == list(range(charge["first_seq"], charge["last_seq"] + 1))
        assert {row["digest"] for row in settlement} == {settlement_digest(charge, outputs)}  # I10
    else:
        assert not mine
        assert not outputs


def _check_book(journal, last_seq, head):
    """I2 and I10: no gap, times in order, each hash from the one before it, the account's head at the end."""
    assert [row["seq"] for row in journal] == list(range(1, last_seq + 1))
    assert all(earlier["posted_at"] <= later["posted_at"] for earlier, later in pairwise(journal))
    previous = bytes(32)
    for row in journal:
        assert row["effective_at"] <= row["posted_at"]
        previous = sha256(previous + canonical("billing.transfer.1", *(row[name] for name in IN_THE_CHAIN))).digest()
        assert row["hash"] == previous
    assert head == previous


def settlement_digest(charge, outputs):
    listed = "".join(f"{_field(row[name])}" for row in outputs for name in OF_AN_OUTPUT)
    head = canonical("billing.settlement.1", *(charge[name] for name in IN_THE_DIGEST))
    return sha256(head + f"l{len(outputs)}\n{listed}".encode()).digest()


def canonical(*values):
    return "".join(map(_field, values)).encode()


def _field(value):
    match value:
        case None:
            return "-\n"
        case str():
            return f"{len(value.encode())}:{value}\n"
        case int():
            return f"i{value}\n"
        case bytes():
            return f"x{value.hex()}\n"
        case datetime():
            return f"i{(value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)}\n"
        case list():
            return f"l{len(value)}\n" + "".join(map(_field, value))
    raise TypeError(type(value))
