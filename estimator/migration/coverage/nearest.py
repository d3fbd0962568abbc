"""The rule that is nearest to a request that no rule takes, and what separates the two.

Near is what a person would try first. A rule for the same path that asks for another method, host
or header is nearest; then one whose path differs only in its normalisation, only in a slash at its
end, or only in upper and lower case; then the one that shares most segments of the path, with the
rules of the same host before those of others.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from estimator.routing.conditions import NO, UNKNOWN, Conditions, Kind, Named, Subject, Text, Truth
from estimator.routing.paths import Normalization, normalized
from estimator.routing.request import Request
from estimator.routing.rules import Rule
from estimator.routing.table import RouteTable, VirtualHost

_FLAGS = re.compile(r"\^?(?:\(\?[a-zA-Z]+\))?\^?")
_META = re.compile(r"[.\[(*+?\\{|^$]")
_MOST_FOLDED = 16_384
"""Most comparisons that are kept without regard to case; one takes some hundred bytes."""
HOST = "host"


class Nearness(IntEnum):
    """What separates a rule from a request; the smallest is the nearest."""

    OTHER_CONDITION = 0
    NORMALISATION = 1
    TRAILING_SLASH = 2
    CASE = 3
    PREFIX = 4


@dataclass(frozen=True, slots=True)
class Nearest:
    """A rule, and why it does not take a request."""

    rule: Rule
    nearness: Nearness
    missing: tuple[str, ...]
    """What the rule asks for besides its path and the request does not have: `host`, `method`,
    `header x-user`."""
    words: str
    """The reason as a part of a sentence: `same path, but it asks for method GET`."""


class _Variant(NamedTuple):
    """A path that a request might as well have had."""

    nearness: Nearness
    words: str
    path: str


def nearest_rule(request: Request, table: RouteTable) -> Nearest | None:
    """Return the nearest rule of a table, or None where none shares a segment of the path."""
    target = normalized(request.target, table.normalization) or request.target
    seen = replace(request, target=target, scheme=table.scheme or request.scheme)
    path = Subject(seen).path
    variants = tuple(_variants(path))
    own = table.hosts_of(request.authority)
    best: tuple[tuple[int, ...], Nearest] | None = None
    for host in table.hosts:
        other_host = () if host in own else (HOST,)
        for rule in host.rules:
            for rank, near in _nearness(rule, seen, variants, other_host, host):
                if best is None or rank < best[0]:
                    best = rank, near
    return None if best is None else best[1]


def _nearness(
    rule: Rule,
    request: Request,
    variants: Sequence[_Variant],
    other_host: tuple[str, ...],
    host: VirtualHost,
) -> Iterator[tuple[tuple[int, ...], Nearest]]:
    """Yield how near a rule is, at most once, with a rank that sorts."""
    conditions, path = rule.conditions, variants[0].path
    shared = shared_segments(path, literal_of(conditions.path))
    for nearness, words, variant in variants:
        text = _folded(conditions.path) if nearness is Nearness.CASE else conditions.path
        if not text.matches(variant):
            continue
        if nearness is Nearness.OTHER_CONDITION and other_host and not shared and path != "/":
            break  # `/` of another host takes every path: that makes it no relative
        conditions = replace(conditions, path=text)
        missing = (*other_host, *_answered(conditions, request, variant, NO))
        unknown = tuple(_answered(conditions, request, variant, UNKNOWN))
        rank = (nearness, len(missing), -shared)
        words = _words(words, [_asked(name, conditions, host) for name in missing], unknown)
        yield rank, Nearest(rule, nearness, missing, words)
        return
    if shared:
        common = "/".join(path.split("/")[: shared + 1])
        words = f"shares {common} with it; it has {shown_text(conditions.path)}"
        if other_host:
            words += f" and asks for {_asked(HOST, conditions, host)}"
        rank = (Nearness.PREFIX, len(other_host), -shared)
        yield rank, Nearest(rule, Nearness.PREFIX, other_host, words)


def _variants(path: str) -> Iterator[_Variant]:
    """Yield the paths that are as good as the same, the nearest first."""
    yield _Variant(Nearness.OTHER_CONDITION, "", path)
    for mode in (Normalization.MERGE_SLASHES, Normalization.DECODE_AND_MERGE_SLASHES):
        variant = normalized(path, mode)
        if variant is not None and variant != path:
            words = f"same path once it is normalised to {variant} (--normalize {mode})"
            yield _Variant(Nearness.NORMALISATION, words, variant)
    toggled = path[:-1] if path.endswith("/") else f"{path}/"
    if toggled:
        yield _Variant(Nearness.TRAILING_SLASH, "same path but for the slash at its end", toggled)
    yield _Variant(Nearness.CASE, "same path but for upper and lower case", path)


@lru_cache(_MOST_FOLDED)
def _folded(text: Text) -> Text:
    """Return a comparison that ignores upper and lower case."""
    if text.kind is Kind.REGEX:
        return replace(text, value=f"(?i){text.value}")
    return replace(text, ignores_case=True)


def _words(words: str, asks: Sequence[str], unknown: Sequence[str]) -> str:
    """Return the reason, of which `words` names what separates the paths."""
    parts = [words] if words else []
    if asks:
        parts.append(f"it asks for {' and '.join(asks)}")
    if unknown:
        parts.append(f"nobody recorded {' and '.join(unknown)}")
    if words:
        return ", and ".join(parts)
    return ", but ".join(["same path", ", and ".join(parts)]) if parts else "same path"


def _answered(conditions: Conditions, request: Request, path: str, answer: Truth) -> Iterator[str]:
    """Yield the conditions besides the path that have this answer."""
    _, mark, query = request.target.partition("?")
    subject = Subject(replace(request, target=f"{path}{mark}{query}"))
    for name, truth in conditions.answers(subject):
        if truth is answer and name != "path":
            yield name


def _asked(name: str, conditions: Conditions, host: VirtualHost) -> str:
    if name == HOST:
        return f"host {host.domains[0]}"
    texts = {
        "method": conditions.method,
        "authority": conditions.authority,
        "scheme": conditions.scheme,
    }
    if (text := texts.get(name)) is not None:
        return f"{name} {shown_text(text)}"
    for prefix, named in (("header ", conditions.headers), ("query parameter ", conditions.query)):
        for condition in named:
            if name == f"{prefix}{condition.name}":
                return _shown_named(name, condition)
    return name


def _shown_named(name: str, condition: Named) -> str:
    negation = "not " if condition.is_negated else ""
    return f"{name} {negation}{shown_text(condition.text)}"


def shown_text(text: Text) -> str:
    """Return a comparison as a reader says it: the value alone where it is exact."""
    return text.value if text.kind is Kind.EXACT else str(text)


def literal_of(text: Text) -> str:
    """Return what every path that matches begins with; of a regex the part before its syntax."""
    if text.kind is not Kind.REGEX:
        return text.value
    pattern = _FLAGS.sub("", text.value, count=1)
    head = _META.split(pattern, maxsplit=1)[0]
    # A quantifier belongs to the character before it, and the last segment may go on.
    return head if head == pattern else head[: head.rfind("/") + 1]


def shared_segments(path: str, literal: str) -> int:
    """Return how many segments both begin with; `/` alone shares none."""
    count = 0
    for mine, theirs in zip(path.split("/")[1:], literal.split("/")[1:], strict=False):
        if mine != theirs or not mine:
            break
        count += 1
    return count
