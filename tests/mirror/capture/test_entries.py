"""Checks what an import reads."""

from mirror.capture.entries import Entry, LeftOut
from mirror.formats.capture.record import Record


def test_an_entry_knows_its_instant_unless_its_source_does_not() -> None:
    assert not Entry(Record(1.5, "GET", "a", "/")).is_whole_second


def test_reasons_can_be_counted() -> None:
    assert len({LeftOut("from a cache"), LeftOut("from a cache")}) == 1
