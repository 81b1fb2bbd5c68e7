"""Timekeeping: what is taken for the time, by what the clock tells and by how long the machine has been up."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.core.timekeeping import SETTLED_SECONDS, Timekeeper

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOUND = timedelta(seconds=10)
MONTH = timedelta(days=30)
UP = 5_000.0


def seconds(number):
    return timedelta(seconds=number)


@pytest.fixture
def keeper():
    """It has seen noon."""
    return Timekeeper(NOON - seconds(UP), UP, BOUND)


@pytest.mark.parametrize(
    ("ahead", "believed"),
    [
        (0, True),
        (9.9, True),
        (10, True),
        (10.1, False),
        (30 * 86_400, False),
        (-9.9, True),
        (-11, True),
        (-30 * 86_400, True),
    ],
)
def test_the_earlier_of_the_two_is_taken_beyond_the_bound(keeper, ahead, believed):
    told = NOON + seconds(100 + ahead)
    assert keeper.now(told, UP + 100) == (told if believed else NOON + seconds(100))
    assert keeper.believes is believed
    assert keeper.ahead == seconds(ahead)


def test_a_clock_that_jumps_and_goes_back_has_never_been_ahead(keeper):
    taken = [keeper.now(NOON + seconds(s) + (MONTH if 10 <= s < 18 else seconds(0)), UP + s) for s in range(30)]
    assert taken == [NOON + seconds(s) for s in range(30)]
    assert keeper.believes


def test_a_clock_that_stays_ahead_is_followed_once_it_is_accepted(keeper):
    assert keeper.now(NOON + MONTH, UP) == NOON
    assert keeper.now(NOON + MONTH + seconds(86_400), UP + 86_400) == NOON + seconds(86_400)
    keeper.accept(NOON + MONTH + seconds(86_400), UP + 86_400)
    assert keeper.believes
    assert keeper.now(NOON + MONTH + seconds(86_401), UP + 86_401) == NOON + MONTH + seconds(86_401)


def test_a_clock_that_was_set_back_may_return(keeper):
    back = [keeper.now(NOON - MONTH + seconds(s), UP + s) for s in (1, 2, 3)]
    assert back == [NOON - MONTH + seconds(s) for s in (1, 2, 3)]
    assert keeper.now(NOON + seconds(10), UP + 10) == NOON + seconds(10)


def test_one_that_stays_back_was_wrong_before(keeper):
    """From then on a jump to where it was is one like every other."""
    for s in (0, SETTLED_SECONDS - 1, SETTLED_SECONDS, SETTLED_SECONDS + 1):
        assert keeper.now(NOON - MONTH + seconds(s), UP + s) == NOON - MONTH + seconds(s)
    at = SETTLED_SECONDS + 2
    assert keeper.now(NOON + seconds(at), UP + at) == NOON - MONTH + seconds(at)


def test_drift_is_followed_and_creeping_is_not(keeper):
    """A clock that goes 0.05 % too fast is a clock. One that gains nine seconds every minute is not."""
    for minute in range(1, 24 * 60):
        at = 60 * minute
        assert keeper.now(NOON + seconds(at * 1.0005), UP + at) == NOON + seconds(at * 1.0005)
    for minute in range(1, 4):
        keeper.now(NOON + seconds(at * 1.0005 + minute * 69), UP + at + minute * 60)
    assert not keeper.believes


def test_an_answer_that_comes_late_raises_no_alarm(keeper):
    """The clock was read before, and the machine's time goes on: only the other way round would it be ahead."""
    assert keeper.now(NOON, UP + 25) == NOON
    assert keeper.now(NOON + seconds(26), UP + 26) == NOON + seconds(26)


def test_time_that_was_asked_for_out_of_order_does_not_move_the_line_back(keeper):
    line = keeper.line
    assert keeper.now(NOON - seconds(1), UP - 1) == NOON - seconds(1)
    assert keeper.line == line


@pytest.mark.parametrize(
    ("told", "line", "known", "taken"),
    [
        pytest.param(NOON, NOON - seconds(UP), NOON, NOON, id="all agree"),
        pytest.param(
            NOON + MONTH, NOON - seconds(UP), NOON + MONTH, NOON, id="in the jump, wall clocks of one machine"
        ),
        pytest.param(NOON + MONTH, None, NOON + MONTH, NOON + MONTH, id="off for a month, then all agree"),
        pytest.param(NOON + MONTH, None, NOON, NOON, id="in the jump, on another machine"),
        pytest.param(NOON + seconds(9), None, NOON, NOON + seconds(9), id="within the bound"),
        pytest.param(NOON - MONTH, None, NOON, NOON - MONTH, id="behind"),
    ],
)
def test_who_starts_measures_by_what_was_believed_before(told, line, known, taken):
    keeper = Timekeeper.started(told, UP, BOUND, line=line, known=known)
    assert keeper.now(told, UP) == taken
