"""Checks how findings are ordered, rendered and turned into an exit code."""

import json

import pytest

from mirror.preflight.findings import (
    Finding,
    Rule,
    Severity,
    as_json,
    as_line,
    as_text,
    exit_code,
    summary,
    worst_first,
)


def finding(severity: Severity, code: str = "a.b", where: str = "f:1") -> Finding:
    return Finding(severity, code, where, "Something is so.", "It costs.", "Do that.")


@pytest.mark.parametrize(
    ("severities", "code"),
    [
        ((), 0),
        (("note",), 0),
        (("note", "warning"), 1),
        (("unknown", "warning"), 3),
        (("warning", "refused", "unknown"), 4),
    ],
)
def test_the_worst_finding_decides_the_exit_code(
    severities: tuple[Severity, ...], code: int
) -> None:
    assert exit_code([finding(severity) for severity in severities]) == code


def test_the_worst_comes_first_and_equal_ones_keep_their_order() -> None:
    findings = [
        finding("note", "n"),
        finding("warning", "w1"),
        finding("refused", "r"),
        finding("warning", "w2"),
        finding("unknown", "u"),
    ]
    assert [found.code for found in worst_first(findings)] == ["r", "u", "w1", "w2", "n"]


def test_text_has_one_block_for_each_finding() -> None:
    bare = Finding("note", "c.d", "key", "That is so.", "", "")
    assert as_text([bare, finding("warning")]) == (
        "warning: a.b at f:1\n"
        "  Something is so.\n"
        "  why: It costs.\n"
        "  instead: Do that.\n"
        "\n"
        "note: c.d at key\n"
        "  That is so."
    )
    assert as_text([]) == ""


def test_a_summary_counts_each_severity() -> None:
    findings = [finding("note"), finding("refused"), finding("note")]
    assert summary(findings) == "1 refused, 2 notes"
    assert summary([]) == ""


def test_a_place_cannot_add_lines_or_obeyed_bytes() -> None:
    hostile = finding("note", where="a\n\x1b[2Jwarning: x")
    assert as_text([hostile]).count("\n") == 3
    assert "\x1b" not in as_text([hostile]) + as_line(hostile)
    assert "\n" not in as_line(hostile)


def test_a_line_holds_code_place_and_advice() -> None:
    assert as_line(finding("warning")) == "a.b: f:1: Something is so.; instead: Do that."
    bare = Finding("note", "c.d", "key", "That is so.", "", "")
    assert as_line(bare) == "c.d: key: That is so."


def test_json_holds_everything() -> None:
    document = json.loads(as_json([finding("note"), finding("refused", "x.y")]))
    assert document["format"] == "kagami-findings" and document["version"] == 1
    assert document["exit_code"] == 4
    assert document["findings"][0] == {
        "severity": "refused",
        "code": "x.y",
        "where": "f:1",
        "what": "Something is so.",
        "why": "It costs.",
        "instead": "Do that.",
    }


def test_a_rule_gives_its_text_to_its_findings() -> None:
    rule = Rule("warning", "a.b", "Something", "It costs.", "Do that.")
    assert rule.at("f:1", "Something is so.") == finding("warning")
    assert rule.at("f:1", "x", "Do this.").instead == "Do this."
