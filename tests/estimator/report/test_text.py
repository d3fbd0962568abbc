import io
from dataclasses import replace

import pytest

from estimator.model.figure import Assumption
from estimator.model.projection import Projection
from estimator.report.blocks import Code, Document
from estimator.report.content import document_of
from estimator.report.text import print_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(projection: Projection, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    print_text(document_of(projection, "1.2.3"), stream)
    return stream.getvalue()


def test_answer_reasons_and_doubts_are_there(projection: Projection) -> None:
    text = shown(projection)
    for part in (
        "Series    a test",
        "10m from 2023-11-14 22:13:20 UTC, 100.0% complete, one value each 1 s",
        "1,100 rps over all routes at 2023-11-14 22:13:27 UTC",
        "2 replicas at a peak of 1,000 rps",
        "cpu of app: 0.6 of the 500m request of app is not reached",
        "rests on rows 1, 2, 3",
        "row 4 not used   error_ratio 0.2 is above 0.01",
        "- memory leaks",
        "target utilisation   0.6     default   an HPA acts only above it",
        "route other (peak 100 rps) is not covered by any pod",
        "Confidence: low",
        "only 10m were observed",
        "kagami estimate 1.2.3",
    ):
        assert part in text


def test_overview_has_replicas_and_requests(projection: Projection) -> None:
    (line,) = [line for line in shown(projection).splitlines() if line.startswith("  api ")]
    assert line.split() == [
        "api",
        "1,000",
        "2",
        "none",
        "1.2",
        "cores",
        "640Mi",
        "cpu",
        "of",
        "app",
    ]


def test_every_part_can_be_told_without_charts(complete: Projection) -> None:
    text = shown(complete)
    for part in ("9 (scaled linearly)", "The arithmetic", "rps over time"):
        assert part not in text
    for part in (
        "HorizontalPodAutoscaler",
        "Nodes by pool",
        "x 1.43",
        "cost, USD per month  841  (841 to 982)",
    ):
        assert part in text


def test_what_decided_is_marked_without_colour(projection: Projection) -> None:
    assert "  * cpu of app          2   0.6 of the 500m" in shown(projection)
    assert "* range" not in shown(projection)


def test_a_long_value_leaves_room_for_its_reason(projection: Projection) -> None:
    long = Assumption("behaviour", " ".join(["tolerance 0.1"] * 9), "an HPA acts only above", True)
    text = shown(replace(projection, assumptions=(long,)))
    assert "an HPA acts only above" in text


def test_names_are_not_read_as_markup(projection: Projection) -> None:
    assert "[red]" in shown(projection)


def test_no_colour_off_a_terminal(complete: Projection) -> None:
    assert "\x1b" not in shown(complete)


def test_colour_on_a_terminal(projection: Projection) -> None:
    assert "\x1b[1;32m" in shown(projection, Terminal())


def test_no_color_is_honoured(projection: Projection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "32m" not in shown(projection, Terminal())


def test_example_table_is_said_first(projection: Projection) -> None:
    assert "EXAMPLE TABLE" not in shown(projection)
    assert shown(replace(projection, is_example_table=True)).startswith("EXAMPLE TABLE")


def test_confident_report_has_no_doubts(projection: Projection) -> None:
    assert "Confidence: low" not in shown(replace(projection, low_confidence=()))


HOSTILE = "a\x1b]0;owned\x07\u202eb\r"


def test_a_terminal_gets_no_order_from_a_name(complete: Projection) -> None:
    first = replace(complete.components[0], name=HOSTILE, warnings=(HOSTILE,))
    hostile = replace(
        complete, components=(first,), table=HOSTILE, warnings=(HOSTILE,), low_confidence=(HOSTILE,)
    )
    text = shown(hostile)
    assert text.count("a\\x1b]0;owned\\x07\\u202eb") >= 5
    assert not set(text) & set("\x1b\x07\u202e\r")


def test_lines_to_copy_are_not_broken() -> None:
    stream = io.StringIO()
    print_text(Document("t", (Code("Add:", ("- " + "x" * 600, "[red]")),), (), ""), stream)
    assert stream.getvalue() == f"  Add:\n    - {'x' * 600}\n    [red]\n"
