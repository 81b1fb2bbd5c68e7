"""A second ledger, of dicts and loops: one command at a time, sums taken over everything each time.

It follows the domain's text and shares no line with the service: prices are written out by hand, expiry asks
each open hold in turn what it would draw, what a bill drew is a list that refunds take from the end of.
"""

import re
from collections import Counter
from datetime import timedelta

TIERS = ("1K", "2K", "4K")
EDGES = (1536, 2048, 3840)
LISTED = ("auto", "1024x1024", "1536x1024", "1024x1536")
FLAT = dict.fromkeys(("low", "medium", "high"), (1, 1, 1))
PRICES = {  # version → model → quality → credits for 1K, 2K, 4K
    1: {"gpt-image-2": {"low": (1, 2, 4), "medium": (4, 17, 34), "high": (14, 67, 133)}, "gpt-image-1.5": FLAT},
    2: {"gpt-image-2": {"low": (2, 3, 5), "medium": (5, 18, 35), "max": (20, 70, 140)}},
}
BILLED_AS = {1: {"auto": "high"}, 2: {"auto": "max", "high": "max"}}
PRIORITY = {"promotion": 10, "plan": 20, "adjustment": 30, "purchase": 50}


class Refused(Exception):
    def __init__(self, code, **facts):
        self.code, self.facts = code, facts


class Ledger:
    def __init__(self, second_book_at):
        self.accounts, self.second_book_at = {}, second_book_at

    def post(self, now, name, account_id, **body):
        """Carries out one command at `now`; returns what it came to, or raises Refused."""
        account = self.accounts.get(account_id)
        if account is not None:
            lapse(account, now)
        elif name != "open":
            raise Refused("account_not_found")
        return getattr(self, name)(account or account_id, now, **body)

    def open(self, account, now, **body):
        if isinstance(account, dict):
            if account["body"] != body:
                raise Refused("id_reused")
            return {"replayed": True, "settings": account["settings"]}
        settings = {"status": "active", **body}
        new = {"body": body, "settings": settings, "grants": {}, "charges": {}, "refunds": {}, "settled": []}
        self.accounts[account] = new | {"journal": [], "money": []}
        return {"replayed": False, "settings": settings}

    def amend(self, account, now, **changes):
        account["settings"] = account["settings"] | changes
        return {"replayed": False, "settings": account["settings"]}

    def grant(self, account, now, *, grant_id, **body):
        if body["priority"] is None:
            body["priority"] = PRIORITY[body["kind"]]
        if known := account["grants"].get(grant_id):
            if known["body"] != body:
                raise Refused("id_reused")
            return {"replayed": True, "remaining": known["remaining"], "balance": balance(account)}
        if body["expires_at"] is not None and body["expires_at"] <= now:
            raise Refused("validation_error")
        terms = (body["credits"], body["priority"], body["expires_at"], body["paid_micros"])
        grant = add_grant(account, grant_id, *terms)
        grant["body"] = body
        journal(account, "grant", body["credits"], grant_id)
        if body["paid_micros"]:
            account["money"].append((f"purchase_{body['funding']}", body["paid_micros"], grant_id))
        use(grant, pay_debts(account, grant_id, grant["remaining"]))
        expire(account, now)
        return {"replayed": False, "remaining": grant["remaining"], "balance": balance(account)}

    def authorize(self, account, now, *, request_id, outputs, **body):
        body["outputs"] = None if outputs is None else sorted(outputs)
        settings, known = account["settings"], account["charges"].get(request_id)
        if known is not None:
            if known["body"] != body:
                raise Refused("id_reused")
            return answer(account, known, replayed=True)
        if settings["status"] == "suspended":
            raise Refused("account_suspended")
        version = 2 if now >= self.second_book_at else 1
        tier, quality = read(version, body["model"], body["size"], body["quality"])
        row = PRICES[version][body["model"]][quality]
        if body["price_version"] not in (None, version):
            raise Refused("price_changed", current=version)
        each, most = row[tier], max(row)
        dearest = settings["hold"] == "max" and settings["overage"] == "bill"
        needed = (most if dearest else each) * body["n"]
        available = balance(account)[2]
        if available < needed:
            raise Refused("insufficient_credits", available=available, required=needed)
        charge = {
            "request_id": request_id, "body": body, "status": "authorized", "at": now, "available": available,
            "expires_at": now + timedelta(seconds=body["hold_seconds"]), "each": each, "tier": tier, "row": row,
            "quoted": each * body["n"], "held": needed if outputs is None else 0, "cap": settings["overage"] == "cap",
            "settled": 0, "refunded": 0, "flags": set(), "outputs": [], "draws": [], "force": False, "reason": None,
        }  # fmt: skip
        account["charges"][request_id] = charge
        if outputs is not None:
            bill(account, charge, outputs, now, since=None, flags=set())
        return answer(account, charge)

    def settle(self, account, now, *, request_id, outputs, force):
        charge, flags, since = find(account, request_id), set(), None
        if charge["status"] == "settled" and (charge["report"], charge["force"]) == (sorted(outputs), force):
            return answer(account, charge, replayed=True)
        if charge["status"] == "authorized":
            since = charge["at"]
        elif charge["status"] == "expired" and now < charge["expires_at"] + timedelta(hours=24):
            flags = {"late"}
        elif charge["status"] in ("expired", "voided") and force:
            flags = {"forced"}
        else:
            raise Refused("charge_not_open", charge_status=charge["status"])
        charge["force"] = force
        bill(account, charge, outputs, now, since, flags)
        return answer(account, charge)

    def void(self, account, now, *, request_id, reason):
        charge = find(account, request_id)
        if charge["status"] == "voided" and charge["reason"] == reason:
            return answer(account, charge, replayed=True)
        if charge["status"] not in ("authorized", "expired"):
            raise Refused("charge_not_open", charge_status=charge["status"])
        charge["status"], charge["reason"] = "voided", reason
        expire(account, now)
        return answer(account, charge)

    def refund(self, account, now, *, request_id, refund_id, **body):
        body, known = body | {"request_id": request_id}, account["refunds"].get(refund_id)
        if known is not None and known["body"] != body:
            raise Refused("id_reused")
        charge = find(account, request_id)
        if known is not None:
            return {"replayed": True, "credits": known["credits"], "balance": balance(account)}
        if charge["status"] != "settled":
            raise Refused("charge_not_open", charge_status=charge["status"])
        by_index = {output["index"]: output for output in charge["outputs"]}
        wanted = body["credits"]
        if body["outputs"] is not None:
            if set(body["outputs"]) - set(by_index):
                raise Refused("validation_error")
            by_index = {index: by_index[index] for index in body["outputs"]}
        refundable = sum(output["credits"] - output["refunded"] for output in by_index.values())
        wanted = refundable if wanted is None else wanted
        if wanted > refundable or wanted == 0:
            raise Refused("refund_exceeds_bill", refundable=refundable)
        account["refunds"][refund_id] = {"body": body, "credits": wanted}
        charge["refunded"] += wanted
        left = wanted
        for index in sorted(by_index, reverse=True):
            part = min(left, by_index[index]["credits"] - by_index[index]["refunded"])
            by_index[index]["refunded"] += part
            left -= part
        give_back(account, charge, refund_id, wanted, now)
        expire(account, now)
        return {"replayed": False, "credits": wanted, "balance": balance(account)}


def bill(account, charge, outputs, now, since, flags):
    spendable = balance(account)[2] + (charge["held"] if since else 0)
    n, reported, billed = charge["body"]["n"], {one[0]: one for one in outputs}, 0
    for index in sorted({*range(n), *reported}):
        _, status, width, height, _ = reported.get(index, (index, "failed", None, None, None))
        output = {"index": index, "status": status, "tier": None, "credits": 0, "refunded": 0, "flags": set()}
        charge["outputs"].append(output)
        if status == "failed":
            continue
        if width is None:
            output["tier"], output["credits"], output["flags"] = TIERS[charge["tier"]], charge["each"], {"unmeasured"}
        else:
            tier = next((tier for tier, edge in enumerate(EDGES) if max(width, height) <= edge), None)
            if tier is None:
                tier, output["flags"] = 2, {"unpriced_size"}
            output["tier"], output["credits"] = TIERS[tier], charge["row"][tier]
            if charge["cap"] and output["credits"] > charge["each"]:
                output["credits"] = charge["each"]
                output["flags"].add("capped")
        billed += 1
        if billed > n:
            output["credits"] = 0
            output["flags"].add("unrequested")
    total = sum(output["credits"] for output in charge["outputs"])
    taken = Counter()
    debt = draw(account, total, now, since, taken)
    charge["draws"] = [[grant_id, credits] for grant_id, credits in taken.items()]
    for grant_id, credits in taken.items():
        use(account["grants"][grant_id], credits)
        journal(account, "settle", credits, grant_id, charge)
    if debt or not taken:
        journal(account, "settle", debt, None, charge)
        charge["draws"] += [[None, debt]] if debt else []
    overdrawn = {"overdrawn"} if total > spendable else set()
    charge["flags"] = flags.union(overdrawn, *(output["flags"] for output in charge["outputs"]))
    charge["status"], charge["settled"], charge["report"] = "settled", total, sorted(outputs)
    account["settled"].append(charge)
    expire(account, now)


def draw(account, credits, now, since, taken):
    """Adds to `taken` what `credits` draw, in burn order; returns what no grant covers."""
    for grant in burn_order(account):
        if not lapsed(grant, now) or (since is not None and since < grant["expires_at"]):
            part = min(credits, grant["remaining"] - taken[grant["grant_id"]])
            credits -= part
            taken[grant["grant_id"]] += part
    for grant_id in [grant_id for grant_id, part in taken.items() if part == 0]:
        del taken[grant_id]
    return credits


def lapse(account, now):
    """Everything that fell due by `now`, in its order; holds before grants of the same instant."""
    due = [(c["expires_at"], 0, c) for c in holds(account) if c["expires_at"] <= now]
    due += [(g["expires_at"], 1, g) for g in account["grants"].values() if g["remaining"] and lapsed(g, now)]
    for moment, is_grant, thing in sorted(due, key=lambda event: event[:2]):
        if not is_grant:
            thing["status"] = "expired"
        expire(account, moment)


def expire(account, moment):
    """Of the grants lapsed by `moment`: all but what the open holds would draw, oldest hold first."""
    taken = Counter()
    for charge in sorted(holds(account), key=lambda charge: charge["at"]):
        draw(account, charge["held"], moment, charge["at"], taken)
    for grant in burn_order(account):
        excess = grant["remaining"] - taken[grant["grant_id"]]
        if lapsed(grant, moment) and excess:
            grant["remaining"] -= excess
            grant["expired"] += excess
            journal(account, "expire", excess, grant["grant_id"])


def pay_debts(account, grant_id, credits):
    left = credits
    for charge in account["settled"]:
        if left and charge["draws"] and charge["draws"][-1][0] is None:
            _, owed = charge["draws"].pop()
            part = min(left, owed)
            left -= part
            charge["draws"] += [[grant_id, part]] + ([[None, owed - part]] if owed > part else [])
    return credits - left


def give_back(account, charge, refund_id, credits, now):
    made = 0
    while credits:
        grant_id, drawn = charge["draws"].pop()
        part = min(credits, drawn)
        credits -= part
        if drawn > part:
            charge["draws"].append([grant_id, drawn - part])
        paid = part if grant_id is None else pay_debts(account, grant_id, part)
        if paid:
            journal(account, "refund", paid, None, charge, refund_id)
        if rest := part - paid:
            grant = account["grants"][grant_id]
            if lapsed(grant, now):
                # What moved out of a grant takes its share of what was paid along, to the micro.
                made, before = made + 1, grant["moved"]
                grant["used"] -= rest
                grant["moved"] += rest
                shares = [moved * (grant["paid"] or 0) // grant["granted"] for moved in (before, grant["moved"])]
                basis = None if grant["paid"] is None else shares[1] - shares[0]
                grant_id = f"refund:{refund_id}:{made}"
                add_grant(account, grant_id, rest, PRIORITY["adjustment"], now + timedelta(days=30), basis)
            else:
                use(grant, -rest)
            journal(account, "refund", rest, grant_id, charge, refund_id)


def add_grant(account, grant_id, credits, priority, expires_at, paid):
    grant = {
        "grant_id": grant_id, "granted": credits, "remaining": credits, "used": 0, "expired": 0, "moved": 0,
        "priority": priority, "expires_at": expires_at, "paid": paid, "body": None, "age": len(account["grants"]),
    }  # fmt: skip
    return account["grants"].setdefault(grant_id, grant)


def use(grant, credits):
    grant["remaining"] -= credits
    grant["used"] += credits


def lapsed(grant, moment):
    return grant["expires_at"] is not None and grant["expires_at"] <= moment


def burn_order(account):
    ends = lambda grant: grant["expires_at"].timestamp() if grant["expires_at"] else float("inf")  # noqa: E731
    return sorted(account["grants"].values(), key=lambda grant: (grant["priority"], ends(grant), grant["age"]))


def holds(account):
    return [charge for charge in account["charges"].values() if charge["status"] == "authorized"]


def journal(account, kind, amount, grant_id, charge=None, refund_id=None):
    account["journal"].append((kind, amount, grant_id, charge and charge["request_id"], refund_id))


def balance(account):
    signs = {"grant": 1, "settle": -1, "refund": 1, "expire": -1}
    posted = sum(signs[kind] * amount for kind, amount, *_ in account["journal"])
    held = sum(charge["held"] for charge in holds(account))
    return posted, held, posted - held + account["settings"]["credit_limit"]


def debt(account):
    return sum(credits for c in account["charges"].values() for grant_id, credits in c["draws"] if not grant_id)


def find(account, request_id):
    if request_id not in account["charges"]:
        raise Refused("charge_not_found")
    return account["charges"][request_id]


def answer(account, charge, *, replayed=False):
    return {"replayed": replayed, "charge": picture(charge), "balance": balance(account)}


def picture(charge):
    """What a charge shows: figures first, then its outputs."""
    names = ("status", "quoted", "held", "settled", "refunded", "flags")
    return tuple(charge[name] if name != "flags" else sorted(charge[name]) for name in names) + tuple(
        (o["index"], o["status"], o["tier"], o["credits"], o["refunded"], sorted(o["flags"])) for o in charge["outputs"]
    )


def read(version, model, size, quality):
    """Tier and billed quality of a request. Raises Refused in the contract's order: model, size, quality."""
    if model not in PRICES[version]:
        raise Refused("unknown_model")
    tier = {"auto": 0, "1K": 0, "2K": 1, "4K": 2}.get(size)
    if model == "gpt-image-1.5":
        if size not in LISTED:
            raise Refused("size_not_allowed")
        tier = 0
    elif tier is None:
        match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", size)
        width, height = (int(match[1]), int(match[2])) if match else (1, 1)
        if width % 16 or height % 16 or not 655_360 <= width * height <= 8_294_400:
            raise Refused("size_not_allowed")
        if max(width, height) > 3 * min(width, height):
            raise Refused("size_not_allowed")
        tier = next((tier for tier, edge in enumerate(EDGES) if max(width, height) <= edge), None)
        if tier is None:
            raise Refused("size_not_priced")
    billed = BILLED_AS[version].get(quality, quality)
    if billed not in PRICES[version][model]:
        raise Refused("quality_not_supported")
    return tier, billed
