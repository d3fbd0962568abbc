"""Patterns of `--filter`: `*` matches anything, `{name}` a part of one segment of a path.

A match takes time in proportion to the length of the text, whatever the pattern: a path of a
capture may be long, and a stranger may have chosen it. A regular expression serves patterns with
which it never has two ways to go on. For any other, all ways are followed at once: bit i of a
number says whether the text so far can be the first i characters of the pattern.
"""

import re

_WILDCARD = re.compile(r"(\*)|\{[A-Za-z_][A-Za-z0-9_]*\}")
_STAR, _SEGMENT = "*", "{}"


class Pattern:
    """One pattern, ready to match."""

    def __init__(self, text: str) -> None:
        self._expression: re.Pattern[str] | None = None
        parts = _parts(text)
        if _is_unambiguous(parts):
            # Possessive: what a wildcard has taken it never gives back, but for the one `.*`.
            last = len(parts) - 1
            spelt = {_STAR: ".*", _SEGMENT: "[^/]++"}
            pieces = [
                ".*+"
                if is_wild and part == _STAR and place == last
                else spelt[part]
                if is_wild
                else re.escape(part)
                for place, (part, is_wild) in enumerate(parts)
            ]
            self._expression = re.compile("".join(pieces), re.DOTALL)
            return
        self._any_loops = self._segment_loops = self._segment_steps = 0
        self._steps: dict[str, int] = {}
        state = 1
        for part, is_wild in parts:
            if is_wild and part == _STAR:
                self._any_loops |= state
            elif is_wild:
                state <<= 1
                self._segment_loops |= state
                self._segment_steps |= state
            else:
                for character in part:
                    state <<= 1
                    self._steps[character] = self._steps.get(character, 0) | state
        self._end = state

    def matches(self, text: str) -> bool:
        """Return whether the whole text matches."""
        if self._expression is not None:
            return self._expression.fullmatch(text) is not None
        states = 1
        for character in text:
            steps, loops = self._steps.get(character, 0), self._any_loops
            if character != "/":
                steps |= self._segment_steps
                loops |= self._segment_loops
            states = ((states << 1) & steps) | (states & loops)
            if not states:
                return False
        return bool(states & self._end)


def _parts(text: str) -> list[tuple[str, bool]]:
    """Return literal text and wildcards in their order, with whether each is a wildcard."""
    parts: list[tuple[str, bool]] = []
    end = 0
    for match in _WILDCARD.finditer(text):
        parts += [(text[end : match.start()], False), (_STAR if match[1] else _SEGMENT, True)]
        end = match.end()
    parts.append((text[end:], False))
    return [part for part in parts if part[0]]


def _is_unambiguous(parts: list[tuple[str, bool]]) -> bool:
    """Return whether no more than one wildcard can end at several places of a text."""
    wildcards = [place for place, (_, is_wild) in enumerate(parts) if is_wild]
    if wildcards and wildcards[-1] == len(parts) - 1 and parts[-1][0] == _STAR:
        wildcards.pop()  # it takes the rest
    while wildcards and parts[wildcards[0]][0] == _SEGMENT and _ends(parts, wildcards[0]):
        wildcards.pop(0)
    return not wildcards or (len(wildcards) == 1 and parts[wildcards[0]][0] == _STAR)


def _ends(parts: list[tuple[str, bool]], place: int) -> bool:
    """Return whether a segment can end at one place only: before a slash, or at the end."""
    if place + 1 == len(parts):
        return True
    part, is_wild = parts[place + 1]
    return not is_wild and part.startswith("/")
