"""Checks which names and values of a head belong to the other mode, and what is said of it."""

import pytest

from mirror.core.wrong_mode import (
    NAMES_NONE,
    NAMES_SINK,
    is_wrong_mode,
    mode_at,
    wrong_mode,
)


@pytest.mark.parametrize(
    ("names", "at"),
    [
        ([], NAMES_NONE),
        ([b"host", b"x-request-id"], NAMES_NONE),
        ([b"host", b"x-mirror-mode"], 1),
        ([b"x-mirror-request-id", b"x-mirror-mode"], 1),
        ([b"host", b"x-mirror-request-id"], NAMES_SINK),
        ([b"x-mirror-request-id", b"x-mirror-leg"], NAMES_NONE),
    ],
)
def test_the_mode_is_found_by_names(names: list[bytes], at: int) -> None:
    assert mode_at(names) == at


@pytest.mark.parametrize(
    ("value", "is_wrong_in_sink", "is_wrong_inline"),
    [
        (b"sink", False, True),
        (b" inline\t", True, False),
        (b"", False, False),
        (b"both", False, False),
    ],
)
def test_only_the_other_mode_is_wrong(
    value: bytes, is_wrong_in_sink: bool, is_wrong_inline: bool
) -> None:
    assert is_wrong_mode(1, [b"h", value], is_sink=True) is is_wrong_in_sink
    assert is_wrong_mode(1, [b"h", value], is_sink=False) is is_wrong_inline


def test_a_copy_without_a_mode_is_wrong_inline() -> None:
    assert is_wrong_mode(NAMES_SINK, [], is_sink=False)
    assert not is_wrong_mode(NAMES_SINK, [], is_sink=True)


def test_the_words_name_both_modes_and_the_remedy() -> None:
    assert "empty 204" in wrong_mode("sink") and "to the application as well" in wrong_mode(
        "inline"
    )
    for mode in ("sink", "inline"):
        assert f"this sidecar is in mode {mode}," in wrong_mode(mode)
        assert "Changing the mode" in wrong_mode(mode)
