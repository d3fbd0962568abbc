import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator import units


@pytest.mark.parametrize(
    ("written", "millicores"),
    [("500m", 500), ("1", 1000), (1, 1000), (0.5, 500), ("0.5", 500), ("250000000n", 250)]
    + [("1500u", 1.5), (2, 2000), ("1k", 1_000_000), ("0", 0)],
)
def test_cpu_is_read_in_millicores(written: object, millicores: float) -> None:
    assert units.parse_cpu(written) == millicores


@pytest.mark.parametrize(
    "nonsense", ["", "fast", "-1", "1 core", "500M", "1e3", True, None, float("nan"), [1], "١"]
)
def test_cpu_nonsense_is_refused(nonsense: object) -> None:
    with pytest.raises(ValueError, match="expected cpu such as 500m, 1 or 0.5, got"):
        units.parse_cpu(nonsense)


@pytest.mark.parametrize(
    ("written", "amount_bytes"),
    [("256Mi", 268_435_456), ("1Gi", 2**30), ("500M", 500_000_000), (1024, 1024)]
    + [("1.5Gi", 1_610_612_736), ("0.1Ki", 103), ("2k", 2000), ("1Ti", 2**40)],
)
def test_memory_is_read_in_bytes(written: object, amount_bytes: int) -> None:
    assert units.parse_memory(written) == amount_bytes


@pytest.mark.parametrize("nonsense", ["256MB", "-1Mi", "lots", False, None, float("inf")])
def test_memory_nonsense_is_refused(nonsense: object) -> None:
    with pytest.raises(ValueError, match="expected memory such as 256Mi"):
        units.parse_memory(nonsense)


def test_milli_bytes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="milli-bytes"):
        units.parse_memory("256m")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("7d", 604_800), ("24h", 86_400), ("30m", 1800), ("90s", 90), ("1d12h", 129_600)],
)
def test_durations_are_read_in_seconds(written: str, seconds: int) -> None:
    assert units.parse_duration(written) == seconds


@pytest.mark.parametrize("nonsense", ["", "7", "d", "7 d", "-7d", "0d", "1y", "7d;"])
def test_duration_nonsense_is_refused(nonsense: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        units.parse_duration(nonsense)


@given(st.integers(0, 10**9))
def test_cpu_round_trips(millicores: int) -> None:
    assert units.parse_cpu(units.format_cpu(millicores)) == millicores


@given(st.floats(0, 1e9))
def test_shown_cpu_is_never_less(millicores: float) -> None:
    shown = units.parse_cpu(units.format_cpu(millicores))
    assert -1e-6 <= shown - millicores <= 1


@given(st.integers(0, 2**20))
def test_memory_round_trips_in_mebibytes(mebibytes: int) -> None:
    amount = mebibytes * 2**20
    assert units.parse_memory(units.format_memory(amount)) == amount


@given(st.integers(0, 2**50))
def test_shown_memory_is_never_less(amount_bytes: int) -> None:
    shown = units.parse_memory(units.format_memory(amount_bytes))
    assert 0 <= shown - amount_bytes < 2**20


@pytest.mark.parametrize(
    ("millicores", "text"),
    [(500, "500m"), (62.5, "62.5m"), (0.0000123, "0.0000123m"), (0, "0m"), (1e20, f"1{'0' * 20}m")],
)
def test_cpu_is_written_exactly(millicores: float, text: str) -> None:
    assert units.exact_cpu(millicores) == text


@given(st.floats(1e-3, 9e23) | st.integers(0, 10**15).map(lambda nano: nano / 1e6))
def test_exact_cpu_reads_back(millicores: float) -> None:
    assert units.parse_cpu(units.exact_cpu(millicores)) == millicores


@given(st.integers(0, 10**18))
def test_exact_memory_reads_back(amount_bytes: int) -> None:
    assert units.parse_memory(units.exact_memory(amount_bytes)) == amount_bytes


@given(st.integers(1, 10**8))
def test_durations_round_trip(seconds: int) -> None:
    assert units.parse_duration(units.format_duration(seconds)) == seconds


def test_no_time_at_all_is_written() -> None:
    assert units.format_duration(0) == "0s"


@pytest.mark.parametrize(
    ("rps", "shown"), [(600, "600"), (1234.56, "1,234.6"), (0.04, "0"), (2e7, "20,000,000")]
)
def test_rps_is_written_for_reading(rps: float, shown: str) -> None:
    assert units.format_rps(rps) == shown


@pytest.mark.parametrize(
    ("written", "ratio"),
    [("3%/month", 0.03), ("40%/year", 0.028436), ("0%/month", 0), ("-5%/month", -0.05)],
)
def test_growth_is_read_per_month(written: str, ratio: float) -> None:
    assert units.parse_growth(written) == pytest.approx(ratio, abs=1e-6)


@pytest.mark.parametrize("nonsense", ["3", "3%", "3/month", "-100%/year", "x%/month", "3%/week"])
def test_growth_nonsense_is_refused(nonsense: str) -> None:
    with pytest.raises(ValueError, match="expected growth such as 3%/month"):
        units.parse_growth(nonsense)


@pytest.mark.parametrize(("written", "factor"), [("2.5x", 2.5), ("2", 2), (" 1.0x ", 1)])
def test_factor_is_read(written: str, factor: float) -> None:
    assert units.parse_factor(written) == factor


@pytest.mark.parametrize("nonsense", ["0x", "x", "-1", "1e3", "nan", ""])
def test_factor_nonsense_is_refused(nonsense: str) -> None:
    with pytest.raises(ValueError, match="expected a factor above zero"):
        units.parse_factor(nonsense)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.0, "0%"),
        (1e-9, "0.0000001%"),
        (312 / 1_203_311, "0.026%"),
        (0.0009, "0.09%"),
        (0.0996, "10%"),
        (0.123, "12.3%"),
        (0.999, "99.9%"),
        (0.999_999, "more than 99.9%"),
        (1.0, "100%"),
    ],
)
def test_a_share_is_nothing_or_all_only_where_it_is(ratio: float, words: str) -> None:
    assert units.format_share(ratio) == words
