"""A slice of `make soak`: each fault that no other test has, one after the other, on one service."""

from tests.faults.mix import FAULTS, World

ELSEWHERE = ("worker killed", "lane killed", "database killed", "service killed", "service restarted")  # test_kills


def test_whatever_breaks_nothing_acknowledged_is_lost_and_everybody_gets_on() -> None:
    with World(patience=2) as world:
        for name in FAULTS:
            if name not in ELSEWHERE:
                world.breaks(name, answers=20)
    print(world.figures.line())
