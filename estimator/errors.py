"""The two ways an estimate ends without an answer.

`InputError` is for what the user can correct by editing something: a file, an option, a key. It
carries every problem found, not the first. `Refused` is for input that is well-formed and still
holds no answer: no evidence, no traffic, a peak beyond what was measured. Both say what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input, placed as exactly as it can be."""

    source: str
    """File, option or service that holds it."""
    rule: str
    """What was expected, and what was there instead."""
    component: str | None = None
    row: int | None = None
    """Counted from 1 within the component's `points`."""
    key: str | None = None

    def __str__(self) -> str:
        place = [
            f"component {self.component}" if self.component is not None else "",
            f"row {self.row}" if self.row is not None else "",
            self.key or "",
        ]
        return ": ".join(part for part in (self.source, ", ".join(filter(None, place))) if part) + (
            f": {self.rule}"
        )


class InputError(Exception):
    """The input is wrong; `problems` lists all that was found. Exit code 2."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One question that the evidence cannot answer."""

    subject: str
    """Component, file or service the question is about."""
    reason: str
    advice: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}. {self.advice}"


class Refused(Exception):
    """No number is given, because none would rest on evidence. Exit code 4."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("\n".join(str(refusal) for refusal in refusals))
        self.refusals = tuple(refusals)
