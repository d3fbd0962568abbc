"""Kubernetes' notation of amounts."""

import pytest

from mirror.sampling.quantities import read_cpu, read_memory, write_cpu, write_memory


@pytest.mark.parametrize(
    ("text", "millicores"),
    [("500m", 500), ("1", 1000), (0.5, 500), ("1500000n", 1.5), ("2k", 2_000_000), ("250u", 0.25)],
)
def test_cpu(text: object, millicores: float) -> None:
    assert read_cpu(text) == pytest.approx(millicores)


@pytest.mark.parametrize(
    ("text", "amount_bytes"), [("256Mi", 2**28), ("1.5Gi", 3 * 2**29), ("5M", 5_000_000), (17, 17)]
)
def test_memory(text: object, amount_bytes: int) -> None:
    assert read_memory(text) == amount_bytes


@pytest.mark.parametrize("text", ["", "-1", "1 m", "nan", "1mm", None, True])
def test_what_is_no_amount(text: object) -> None:
    with pytest.raises(ValueError, match="expected cpu"):
        read_cpu(text)
    with pytest.raises(ValueError, match="expected memory"):
        read_memory(text)


def test_written_amounts_are_read_again() -> None:
    assert write_cpu(12.34567) == "12.346m" and read_cpu("12.346m") == 12.346
    assert write_cpu(100.0) == "100m"
    assert write_memory(2**20 + 1) == "2Mi"
