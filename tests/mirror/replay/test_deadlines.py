"""Order of arrival is order of expiry; the clock is a number."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.replay.deadlines import Deadlines


def test_item_expires_after_its_timeout() -> None:
    deadlines: Deadlines[str] = Deadlines(5.0)
    deadlines.start("a", 10.0)
    assert deadlines.pop_expired(14.9) == []
    assert deadlines.pop_expired(15.0) == ["a"]
    assert len(deadlines) == 0


def test_expired_items_come_oldest_first() -> None:
    deadlines: Deadlines[str] = Deadlines(1.0)
    for now, item in enumerate("abc"):
        deadlines.start(item, float(now))
    assert deadlines.pop_expired(2.0) == ["a", "b"]
    assert deadlines.pop_expired(9.0) == ["c"]


def test_cancelled_item_never_expires() -> None:
    deadlines: Deadlines[str] = Deadlines(1.0)
    deadlines.start("a", 0.0)
    deadlines.cancel("a")
    deadlines.cancel("never started")
    assert deadlines.pop_expired(9.0) == []


def test_restarted_item_gets_a_new_deadline() -> None:
    deadlines: Deadlines[str] = Deadlines(1.0)
    deadlines.start("a", 0.0)
    deadlines.start("b", 0.5)
    deadlines.start("a", 0.9)
    assert deadlines.pop_expired(1.6) == ["b"]
    assert deadlines.pop_expired(1.9) == ["a"]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["start", "cancel", "pop"]))))
def test_every_item_expires_once_and_in_time(steps: list[tuple[int, str]]) -> None:
    deadlines: Deadlines[int] = Deadlines(3.0)
    expected: dict[int, float] = {}
    for now, (item, step) in enumerate(steps):
        if step == "start":
            deadlines.start(item, float(now))
            expected[item] = now + 3.0
        elif step == "cancel":
            deadlines.cancel(item)
            expected.pop(item, None)
        else:
            due = {item for item, at in expected.items() if at <= now}
            assert set(deadlines.pop_expired(float(now))) == due
            for item in due:
                del expected[item]
        assert len(deadlines) == len(expected)
