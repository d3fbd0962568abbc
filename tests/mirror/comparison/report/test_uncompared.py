"""Checks what is said of copies without a pair, and of production's access log."""

from dataclasses import replace

from mirror.comparison.report.content import content_of
from mirror.comparison.report.judgement import Thresholds, judge
from mirror.comparison.report.parts import add_up, part_of
from mirror.formats.comparison import Log
from tests.mirror.comparison.report.test_content import content, rows, section
from tests.mirror.comparison.report.test_judgement import pairs
from tests.mirror.comparison.report.test_parts import document


def test_what_was_not_compared_is_said() -> None:
    made = content(document(waiting=4, examples_not_kept=3))
    notes, entries = section(made, "uncompared").notes, section(made, "uncompared").entries
    assert [(entry.name, entry.count) for entry in entries] == [
        ("extra_copy", "5 copies"),
        ("no_log_line", "2 copies, 1.96 %"),
    ]
    assert notes[:2] == (
        "4 copies waited for their other side.",
        "3 differences beyond the examples that a sidecar keeps have no path here.",
    )
    assert section(content(document(pairs(9))), "uncompared").notes[0] == (
        "Every copy that ended made a pair."
    )


def test_what_a_series_does_not_hold_is_said() -> None:
    part = part_of(document(), "web-1")
    compared = add_up([replace(part, source="series.db", instance="", mode="")])
    made = content_of(compared, judge(compared, Thresholds()), 20)
    assert section(made, "uncompared").notes[0].startswith("series.db: a series.db holds no paths")
    assert made.facts[0][1].startswith("series.db (series.db): 2026-03-26")


def test_the_losses_of_the_log_are_said() -> None:
    log = Log("unix:/run/log", 105, 100, 5, {"gap": 2, "flood": 0}, 1_774_515_599.5)
    made = content(document(log=log))
    assert rows(made, "log") == [
        ["web-1: unix:/run/log", "105", "100", "5", "gap 2", "2026-03-26 08:59:59 UTC"]
    ]
    assert section(made, "log").notes[0].startswith("gap: lines that never came")
    never = content(document(log=Log("unix:/run/log", 0, 0, 0, {}, None)))
    assert rows(never, "log")[0][-2:] == ["none", "never"]


def test_a_log_that_repeats_itself_or_is_of_another_clock_says_so() -> None:
    log = Log("unix:/l", 105, 100, 5, {}, 1_774_515_000.5, repeated=7, offset_s=-600.25)
    notes = section(content(document(log=log)), "log").notes
    assert notes[0].startswith("web-1: unix:/l: 7 lines are of requests that had a line before.")
    assert notes[1].startswith("web-1: unix:/l: its clock and the sidecar's are 600 s apart")
