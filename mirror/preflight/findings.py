"""Findings: what a check says, each with what it saw, why that matters and what to do instead.

A rule is what docs/preflight.md explains under its code; a finding is one place where it applies.
`mirror check`, `mirror audit`, `mirror canary` and the start of `mirror serve` render findings with
the functions of this module, so that a pipeline may rely on the codes and on the exit code. Nothing
here looks at a host or prints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from mirror.formats.foreign_text import visible

FORMAT = "kagami-findings"
VERSION = 1

Severity = Literal["note", "warning", "unknown", "refused"]
"""note: good to know. warning: it costs requests, counts or time. unknown: it could not be judged.
refused: copies would be logged or counted twice."""

EXIT_CODES: dict[Severity, int] = {"note": 0, "warning": 1, "unknown": 3, "refused": 4}
"""Exit codes from the least to the most serious one."""

_RANKS = list(EXIT_CODES)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    severity: Severity
    code: str
    """The name under which docs/preflight.md explains it, such as `nginx.mirror_variable`."""
    where: str
    """A file with its line, a key of the configuration, or a URL."""
    what: str
    """What was seen there, in one sentence."""
    why: str
    """What it costs if it stays."""
    instead: str
    """What to write or do instead; empty where nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a check looks for; the text of its findings that does not depend on the place."""

    severity: Severity
    code: str
    summary: str
    """What is looked for, as the heading of docs/preflight.md."""
    why: str
    instead: str

    def at(self, where: str, what: str, instead: str = "") -> Finding:
        """Return a finding of this rule; `instead` replaces the rule's own advice."""
        return Finding(self.severity, self.code, where, what, self.why, instead or self.instead)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings by falling severity; equal ones keep their order."""
    return sorted(findings, key=lambda finding: -_RANKS.index(finding.severity))


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the exit code of the most serious finding; 0 without any."""
    ranks = [_RANKS.index(finding.severity) for finding in findings]
    return EXIT_CODES[_RANKS[max(ranks, default=0)]]


def as_text(findings: Iterable[Finding]) -> str:
    """Return one block of lines for each finding, the most serious first."""
    return "\n\n".join(map(_block, worst_first(findings)))


def summary(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each severity, the most serious first."""
    counts = {severity: 0 for severity in reversed(_RANKS)}
    for finding in findings:
        counts[finding.severity] += 1
    return ", ".join(
        f"{number} {severity}{'s' * (number > 1 and severity in ('note', 'warning'))}"
        for severity, number in counts.items()
        if number
    )


def as_line(finding: Finding) -> str:
    """Return the finding as one line of a log, without why it matters."""
    advice = f"; instead: {finding.instead}" if finding.instead else ""
    return visible(f"{finding.code}: {finding.where}: {finding.what}{advice}")


def as_json(findings: Sequence[Finding]) -> str:
    """Return a JSON document with the findings, the most serious first, and the exit code."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "exit_code": exit_code(findings),
        "findings": worst_first(findings),
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _block(finding: Finding) -> str:
    lines = [f"{finding.severity}: {finding.code} at {finding.where}", f"  {finding.what}"]
    lines += [f"  why: {finding.why}"] if finding.why else []
    lines += [f"  instead: {finding.instead}"] if finding.instead else []
    return "\n".join(map(visible, lines))
