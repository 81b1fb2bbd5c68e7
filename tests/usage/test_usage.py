"""Usage against a count by hand: any sequence of charges, refunds and corrections, over days, asked for in any way."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from random import Random

import asyncpg
import pytest

from billing.books.usage import report as pages
from billing.books.usage.report import UsageQuestion, usage_page
from billing.books.usage.sums import Selection
from billing.core.charges import Reported
from billing.core.commands import Authorize, Correct, IssueGrant, OpenAccount, Refund, Settle, Void
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.core.refusals import Refusal
from billing.core.zones import zone
from billing.posting import Posting
from billing.store.engine import read_engine
from tests.api.service import with_a_clock

DAWN = datetime(2026, 3, 26, tzinfo=UTC)  # Europe's clocks change on the 29th
LAST = DAWN + timedelta(days=8)
ACCOUNTS = ("ann", "bob", "cyd")
DIMENSIONS = ("model", "size_tier", "quality", "operation", "api_key_id", "end_user")
COUNTS = ("requests", "images", "failed_images", "credits")


class Town:
    """Some accounts, their week, and a list of everything that should have been counted."""

    def __init__(self, posting, engine, owner) -> None:
        self.posting, self.engine, self.owner = posting, engine, owner
        self.counted: list[dict] = []

    async def clock(self, moment: datetime) -> None:
        await self.owner.execute("UPDATE clock.reading SET at = $1", moment)

    async def live(self, random: Random, events: int) -> None:
        moment = DAWN
        await self.clock(moment)
        for account in ACCOUNTS:
            await self.posting.post(OpenAccount(account))
            await self.posting.post(IssueGrant(account, "g", "purchase", 100_000))
        open_charges: list[Authorize] = []
        bills: list[tuple[Authorize, list]] = []
        for number in range(events):
            moment += timedelta(seconds=random.choice((0, 30, 400, 900, 3_000, 9_000, 40_000)))
            await self.clock(moment)
            match random.randrange(7):
                case 0 | 1:
                    asked = self.request(random, number)
                    await self.posting.post(asked)
                    open_charges.append(asked)
                case 2 if open_charges:
                    asked = open_charges.pop(random.randrange(len(open_charges)))
                    reported = delivered(random, asked.n)
                    forced = random.random() < 0.5
                    try:
                        answer = await self.posting.post(
                            Settle(asked.account_id, asked.request_id, reported, force=forced)
                        )
                    except Refusal:
                        continue  # too late, and not forced
                    self.count_bill(asked, answer, moment)
                    bills.append((asked, list(answer.outputs)))
                case 3 if open_charges and random.random() < 0.3:
                    asked = open_charges.pop()
                    await self.posting.post(Void(asked.account_id, asked.request_id))
                case 4 if bills:
                    await self.refund(random, *random.choice(bills), number, moment)
                case 5 if bills:
                    await self.correct(random, *random.choice(bills), number, moment)
                case _:
                    asked = self.request(random, number, outputs=delivered(random, 2))
                    answer = await self.posting.post(asked)
                    self.count_bill(asked, answer, moment)
                    bills.append((asked, list(answer.outputs)))
        assert moment < LAST + timedelta(days=365)

    def request(self, random: Random, number: int, outputs=None) -> Authorize:
        return Authorize(
            random.choice(ACCOUNTS),
            f"r{number}",
            random.choice(("gpt-image-2", "gpt-image-2", "gpt-image-1.5")),
            operation=random.choice(("generation", "edit")),
            n=2,
            size=random.choice(("auto", "1024x1024")),
            quality=random.choice(("auto", "low", "high")),
            api_key_id=random.choice((None, "key-1", "key-2")),
            end_user=random.choice((None, "eve", "fay, =1+1", "ñ\n")),
            outputs=outputs,
        )

    async def refund(self, random: Random, asked: Authorize, outputs: list, number: int, moment: datetime) -> None:
        left = [one for one in outputs if one.refundable]
        one = random.choice(left) if left else None
        if one is None:
            return
        try:
            command = Refund(asked.account_id, asked.request_id, f"f{number}", "sorry", outputs=(one.index,))
            answer = await self.posting.post(command)
        except Refusal:
            return  # there is nothing left to refund
        place = outputs.index(one)
        outputs[place] = one._replace(refunded_credits=answer.outputs[place].refunded_credits)
        self.counted.append(self.line(asked, one.size_tier, moment) | {"credits": -answer.refund.credits})

    async def correct(self, random: Random, asked: Authorize, outputs: list, number: int, moment: datetime) -> None:
        """`outputs` are kept as they stand: what was counted for one is taken back, and it is counted anew."""
        there = {one.index for one in outputs}
        found = tuple(one for one in delivered(random, 2) if one.index in there)
        try:
            command = Correct(asked.account_id, f"c{number}", asked.request_id, found, "reconciled", "finance")
            answer = await self.posting.post(command)
        except Refusal:
            return  # nothing to correct
        known = {one.index: one for one in answer.correction.outputs}
        for place, (old, new) in enumerate(zip(list(outputs), answer.outputs, strict=True)):
            if old.index not in known:
                assert new.corrected_credits == old.corrected_credits
                continue
            stands = known[old.index]
            outputs[place] = new._replace(status=stands.status, size_tier=stands.size_tier)
            for one, sign in ((old, -1), (outputs[place], 1)):
                line = self.line(asked, one.size_tier, moment)
                line["credits"] = sign * (one.credits + one.corrected_credits)
                line["images" if one.status == "succeeded" else "failed_images"] = sign
                self.counted.append(line)

    def count_bill(self, asked: Authorize, answer, moment: datetime) -> None:
        for place, one in enumerate(answer.outputs):
            line = self.line(asked, one.size_tier, moment) | {"requests": int(place == 0), "credits": one.credits}
            line["images" if one.status == "succeeded" else "failed_images"] = 1
            self.counted.append(line)

    def line(self, asked: Authorize, tier: str | None, moment: datetime) -> dict:
        return {
            "at": moment, "account_id": asked.account_id, "model": asked.model, "operation": asked.operation,
            "quality": "high" if asked.quality == "auto" else asked.quality, "size_tier": tier,
            "api_key_id": asked.api_key_id, "end_user": asked.end_user, **dict.fromkeys(COUNTS, 0),
        }  # fmt: skip

    def by_hand(self, asked: UsageQuestion) -> dict:
        """{(period's label, *group): counts}"""
        label = {"15m": "%Y-%m-%d %H:%M", "1h": "%Y-%m-%d %H %z", "1d": "%Y-%m-%d", "1mo": "%Y-%m"}[asked.width]
        sums: dict = defaultdict(lambda: [0, 0, 0, 0])
        for line in self.counted:
            moment = line["at"].astimezone(UTC if asked.width == "15m" else zone(asked.tz))
            if asked.width == "15m":
                moment = moment.replace(minute=moment.minute // 15 * 15)
            wanted = all((line[name] or "") in values for name, values in asked.selected.filters.items())
            own = asked.selected.account_id in (None, line["account_id"])
            if own and wanted and asked.start <= line["at"] < asked.end:
                key = (moment.strftime(label), *((line[name] or "") for name in asked.selected.group_by))
                for place, name in enumerate(COUNTS):
                    sums[key][place] += line[name]
        return {key: counts for key, counts in sums.items() if shown(counts, asked)}

    async def told(self, asked: UsageQuestion, limit: int) -> dict:
        label = {"15m": "%Y-%m-%d %H:%M", "1h": "%Y-%m-%d %H %z", "1d": "%Y-%m-%d", "1mo": "%Y-%m"}[asked.width]
        tz = UTC if asked.width == "15m" else zone(asked.tz)
        sums: dict = {}
        following: str | None = None
        border = asked.start.timestamp()
        while True:
            page = await usage_page(self.engine, asked, page=following, limit=limit)
            assert len(page.data) <= limit
            for bucket in page.data:
                assert bucket.start_time >= border
                start = datetime.fromtimestamp(bucket.start_time, tz)
                for used in bucket.results:
                    key = (start.strftime(label), *(getattr(used, name) or "" for name in asked.selected.group_by))
                    assert key not in sums
                    counts = [getattr(used, name) for name in COUNTS]
                    if shown(counts, asked):
                        sums[key] = counts
                border = bucket.start_time
            following = page.next_page
            if following is None:
                return sums


def shown(counts: list[int], asked: UsageQuestion) -> bool:
    """An empty bucket and one whose counts come to nothing look alike where all buckets are shown."""
    return any(counts) or bool(asked.selected.group_by) or not asked.zero_filled


def delivered(random: Random, n: int) -> tuple[Reported, ...]:
    sizes = ((1024, 1024), (2048, 2048), (3840, 2160), (None, None))
    return tuple(
        Reported(index, "failed", None, None, None)
        if random.random() < 0.25
        else Reported(index, "succeeded", *random.choice(sizes), None)
        for index in range(n)
    )


@pytest.fixture(params=range(3))
def town(request, fresh_database, run):
    """A week or more of three towns."""
    with_a_clock(fresh_database)
    owner = run(asyncpg.connect(fresh_database))
    books = PriceBooks([PriceBook.of(1, datetime(2020, 1, 1, tzinfo=UTC), PUBLISHED)])
    posting = Posting(fresh_database, lambda: books, lanes=1)
    run(posting.__aenter__())
    engine = read_engine(fresh_database, size=1)
    town = Town(posting, engine, owner)
    run(town.live(Random(request.param), 120))
    yield town, Random(request.param)
    run(posting.__aexit__())
    run(engine.dispose())
    run(owner.close())


ZONES = (
    "UTC",
    "Europe/Madrid",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Asia/Kolkata",
)


async def test_usage_is_what_a_count_by_hand_says(town, monkeypatch):
    town, random = town
    assert len({line["at"].date() for line in town.counted}) > 3, "a week has days"
    last = max(line["at"] for line in town.counted)
    for _ in range(100):
        quarters = random.randrange(0, 96 * 9)
        start = DAWN + quarters * timedelta(minutes=15)
        end = start + random.choice((1, 7, 96, 400, 2000)) * timedelta(minutes=15)
        dimensions = random.sample((*DIMENSIONS, "account_id"), random.choice((0, 0, 1, 2, 7)))
        account_id = random.choice((*ACCOUNTS, None))
        filters = {
            name: random.sample(sorted({line[name] or "" for line in town.counted}), random.choice((1, 2)))
            for name in random.sample(DIMENSIONS, random.choice((0, 0, 1, 2)))
        }
        asked = UsageQuestion(
            Selection(account_id, dimensions, filters), start, end,
            random.choice(("15m", "1h", "1d", "1d", "1mo")), random.choice(ZONES), random.random() < 0.5,
        )  # fmt: skip
        monkeypatch.setattr(pages, "GROUPS", random.choice((1, 3, 10_000)))
        assert await town.told(asked, random.choice((1, 5, 3000))) == town.by_hand(asked), asked
    whole = UsageQuestion(
        Selection(), DAWN, last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    )
    assert sum(counts[3] for counts in (await town.told(whole, 3000)).values()) == sum(
        line["credits"] for line in town.counted
    )


async def test_days_left_behind_are_summed_and_no_other(town):
    town, _ = town
    query = """
        SELECT a.account_id, count(d.day), max(d.day) < date_bin('1 day', a.last_at, 'epoch'::timestamptz)
        FROM account a LEFT JOIN usage_day d USING (account_id) GROUP BY a.account_id"""
    for _, days, all_before in await town.owner.fetch(query):
        assert days > 0
        assert all_before
