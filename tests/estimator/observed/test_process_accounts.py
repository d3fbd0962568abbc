"""Checks that the usage of processes is the exact difference of their accounts in a window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.observed.process_accounts import usage_of_processes
from estimator.observed.usage import ContainerUsage
from mirror.formats.replay_result import ProcessReading, ProcessUsage

READINGS = ((0.0, 10.0, 5), (1.0, 10.5, 9), (2.0, 11.5, 7), (3.0, 12.0, 50))


def process(*readings: tuple[float, float, int], replica: str = "host/1") -> ProcessUsage:
    made = [ProcessReading(*reading) for reading in readings]
    return ProcessUsage("gateway", "istio-proxy", replica, 2000.0, made)


def used(processes: list[ProcessUsage], *windows: tuple[float, float]) -> ContainerUsage | None:
    usage = usage_of_processes(processes, windows, "r.json")
    return usage.of("gateway").get("istio-proxy")


def test_window_is_interpolated() -> None:
    found = used([process(*READINGS)], (0.5, 2.0))
    assert found is not None
    assert found.mean_cpu() == pytest.approx(1000 * (11.5 - 10.25) / 1.5)
    assert found.memory_bytes.max() == 9
    assert (found.is_exact, found.cpu_limit_millicores) == (True, 2000)
    assert found.seconds.tolist() == [0.875, 1.625]


@given(
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
    st.floats(0, 3.4),
    st.floats(0.1, 3.5),
)
def test_mean_is_the_difference_of_the_account(
    steps_s: list[float], start: float, length_s: float
) -> None:
    accounts = [sum(steps_s[:count]) for count in range(8)]
    readings = [(float(at), account, 1) for at, account in enumerate(accounts)]
    found = used([process(*readings)], (start, start + length_s))

    def at(second: float) -> float:
        before = int(second)
        after = min(before + 1, 7)
        return accounts[before] + (second - before) * (accounts[after] - accounts[before])

    assert found is not None
    expected = 1000 * (at(start + length_s) - at(start)) / length_s
    assert found.mean_cpu() == pytest.approx(expected, abs=1e-6)


def test_short_interval_of_the_readings_is_no_burst() -> None:
    readings = [(0.0, 0.0, 1), (0.05, 0.05, 1), (1.0, 0.1, 1), (2.0, 0.2, 1)]
    found = used([process(*readings)], (0.0, 2.0))
    assert found is not None
    assert found.cpu_millicores.tolist() == pytest.approx([100, 100])


@pytest.mark.parametrize("window", [(-0.1, 1.0), (1.0, 3.1)])
def test_window_beyond_the_readings_has_no_samples(window: tuple[float, float]) -> None:
    assert used([process(*READINGS)], window) is None
    both = used([process(*READINGS)], (0.0, 1.0), window)
    assert both is not None
    assert both.seconds.max() < 1


def test_container_needs_all_of_its_processes() -> None:
    ended = process(*READINGS[:2], replica="host/2")
    found = used([process(*READINGS), ended], (0.0, 1.0), (1.0, 2.0))
    assert found is not None
    assert found.pods == ("host/1", "host/2")
    assert found.seconds.max() < 1
