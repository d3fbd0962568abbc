"""The two ways in which an estimate ends without an answer.

`InputError` is for what the user can correct: a file, an option, a key. It carries every problem
of the input, not only the first. `Refused` is for well-formed input that holds no answer: no
evidence, no traffic, or a peak beyond what was measured. Both say what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of the input, located as exactly as possible."""

    source: str
    """File, option or service that has the problem; a file may be followed by `:line`."""
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
        parts = (self.source, ", ".join(filter(None, place)), self.rule)
        return ": ".join(filter(None, parts))


class InputError(Exception):
    """The input is wrong; `problems` lists everything that is. Exit code 2."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type["InputError"], tuple[tuple[Problem, ...]]]:
        # An error of another process arrives pickled; by default it would be made of its text.
        return type(self), (self.problems,)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One question that the evidence cannot answer."""

    subject: str
    """The component, file or service that the question is about."""
    reason: str
    advice: str
    """What to do about it, as a sentence without its full stop."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}. {self.advice}"


class Refused(Exception):
    """No number is given, because no evidence supports one. Exit code 4."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("\n".join(str(refusal) for refusal in refusals))
        self.refusals = tuple(refusals)
