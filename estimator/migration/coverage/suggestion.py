"""The entry that would route lost requests: built, then judged, and only then suggested.

Each entry is as narrow as the requests allow: their one path, or the longest prefix by segments
that all of them share, or the pattern of their shape, or their paths one by one; with their methods
where a rule exists for the other methods. An entry is suggested only if it takes every one of these
requests and none that another rule serves, at the place where it would be written: in the order of
a VirtualService, and by the precedence of an HTTPRoute.

The service is a guess, except where the routes before are known, and the entry says whose it is.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from estimator.migration.coverage.entries import HTTP_ROUTE, entry_of, is_service
from estimator.migration.coverage.nearest import HOST, Nearest, Nearness, literal_of, shown_text
from estimator.migration.coverage.path_groups import IDENTIFIERS, PLACEHOLDERS, REST
from estimator.routing.conditions import NO, YES, Conditions, Kind, Subject, Text
from estimator.routing.gateway_api.precedence import rank
from estimator.routing.istio.names import is_subset
from estimator.routing.rules import Destination, Forward, Place, Rule
from estimator.routing.table import VirtualHost

MOST_EXACT_PATHS = 10
"""Most paths that an entry lists one by one."""
MOST_RULES = 16
"""Most rules of an HTTPRoute; this and its other limits are of apis/v1/httproute_types.go."""
MOST_MATCHES = 64
"""Most matches of a rule of an HTTPRoute."""
MOST_LETTERS = 1024
"""Most characters of a path in a match of an HTTPRoute."""
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
_HTTP_ROUTE_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_REFUSED_IN_PATHS = re.compile(r"//|/\.\.?(?:/|$)|%2[fF]")
# RFC 1123 section 2.1; the last label of a host name is no number, that of an address is.
_HOST_NAME = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
)
_ADDRESS = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True)
class Lost:
    """Requests of one host that belong together and are lost."""

    paths: frozenset[str]
    """As the routes see them, normalised and without a query."""
    is_complete: bool
    """Whether these are all of their paths."""
    shape: str
    methods: frozenset[str]
    """Empty where one of them is not recorded."""
    taken_by: Rule | None
    """The rule that takes them elsewhere."""
    shadowed: Rule | None
    """The rule that would serve them if that rule did not."""
    nearest: Nearest | None
    before: tuple[Destination, ...]
    """The services that get them today, where the routes before are known."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to add to an object, and where."""

    place: Place
    """The object."""
    key: str
    """The list in its spec: `http`, `rules`, `hosts` or `hostnames`."""
    where: str
    """The place in that list: `at the end`, `before http[2]`; empty where any place does."""
    items: tuple[Mapping[str, Any] | str, ...]
    """The entries as trees of YAML; a host is only its name."""
    notes: tuple[str, ...]
    """What a reader must check, as sentences."""


@dataclass(frozen=True, slots=True)
class ServedPath:
    """A path that a rule serves today, on this host."""

    path: str
    method: str
    rule: Rule


def suggest(lost: Lost, host: VirtualHost, served: Sequence[ServedPath]) -> Suggestion | str:
    """Return what to add so that a host routes these requests, or the reason why nothing is.

    `served` holds what the rules of the host serve of the observed requests, sorted by path.
    """
    if lost.nearest is not None and lost.nearest.nearness is Nearness.NORMALISATION:
        return "normalising paths as the nearest rule needs it is better than an entry for each"
    home = _home(lost, host)
    if isinstance(home, str):
        return home
    destinations, note = _destinations(lost, host)
    if not destinations:
        return f"no rule of {home.resource} names a service"
    if home.kind == HTTP_ROUTE:
        if not all(map(is_service, destinations)):
            return "the service is no Service of the cluster, which an HTTPRoute needs"
        number = len({_part_of(each) for each in host.rules if _is_of(each, home)})
        if number >= MOST_RULES:
            return f"{home.resource} has {number} rules already, the most that it may have"
    position = _position(lost, host, home)
    for matches in _candidates(lost, home.kind):
        if _is_safe(matches, lost, host, position, served):
            item = entry_of(matches, destinations, home)
            key = "rules" if home.kind == HTTP_ROUTE else "http"
            return Suggestion(home, key, _where(lost, home), (item,), (note,))
    return "every prefix or pattern of these paths would take paths that other rules serve"


# --- where it is written ---


def _home(lost: Lost, host: VirtualHost) -> Place | str:
    """Return the object to extend: that of the rule that took them, or else of the nearest.

    An entry of a delegate counts only below the matches of its root (pilot/pkg/model/
    virtualservice.go), so the root is extended. Its place is without a file where only its
    delegates have rules.
    """
    if not host.rules:
        return "the host has no rule whose object could be extended"
    rule = host.rules[-1]
    if lost.taken_by is not None:
        rule = lost.taken_by
        if rule.orderer != rule.place.resource:
            return f"{rule.place.resource} is a delegate of {rule.orderer}, which decides first"
    elif lost.nearest is not None and lost.nearest.rule in host.rules:
        rule = lost.nearest.rule
    if rule.orderer == rule.place.resource:
        return rule.place
    kind, _, name = rule.orderer.partition(" ")
    namespace, _, name = name.partition("/")
    return Place("", 0, kind, namespace, name)


def _is_of(rule: Rule, home: Place) -> bool:
    return home.resource in (rule.place.resource, rule.orderer)


def _part_of(rule: Rule) -> str:
    """Return `http[2]` of `http[2].match[0]`."""
    return rule.place.part.partition(".")[0]


def _is_same_entry(rule: Rule, other: Rule | None) -> bool:
    return other is not None and _is_of(rule, other.place) and _part_of(rule) == _part_of(other)


def _where(lost: Lost, home: Place) -> str:
    if home.kind == HTTP_ROUTE:
        return ""
    return "at the end" if lost.taken_by is None else f"before {_part_of(lost.taken_by)}"


def _position(lost: Lost, host: VirtualHost, home: Place) -> int | None:
    """Return how many rules come before the entry; None where precedence decides.

    Where several VirtualServices make a host, their order is undefined, so that none is sure.
    """
    if home.kind == HTTP_ROUTE:
        return None
    if host.doubtful_order:
        return 0
    own = [index for index, each in enumerate(host.rules) if _is_of(each, home)]
    if lost.taken_by is not None:
        return min(index for index in own if _is_same_entry(host.rules[index], lost.taken_by))
    return max(own) + 1


# --- what it asks for ---


def _candidates(lost: Lost, kind: str) -> Iterator[tuple[Conditions, ...]]:
    """Yield the matches of possible entries, the best first."""
    needs_method = lost.nearest is not None and "method" in lost.nearest.missing
    methods: list[tuple[str | None, ...]] = [] if needs_method and lost.methods else [(None,)]
    if lost.methods and (kind != HTTP_ROUTE or lost.methods <= _METHODS):
        methods.append(tuple(sorted(lost.methods)))
    fits = _fits_http_route if kind == HTTP_ROUTE else _is_text
    for texts in _path_texts(lost, kind):
        if not all(map(fits, texts)):
            continue
        for named in methods:
            matches = tuple(
                Conditions(text, None if name is None else Text(Kind.EXACT, name))
                for text in texts
                for name in named
            )
            if len(matches) <= MOST_MATCHES:
                yield matches


def _path_texts(lost: Lost, kind: str) -> Iterator[tuple[Text, ...]]:
    exact = tuple(Text(Kind.EXACT, path) for path in sorted(lost.paths))
    # A path with an identifier stands for others that come tomorrow.
    if len(exact) == 1 and not _has(lost.shape, IDENTIFIERS):
        yield exact
        return
    if common := _common_prefix(lost):
        if kind == HTTP_ROUTE:
            yield (Text(Kind.SEGMENTS, common),)
        else:
            below = Text(Kind.PREFIX, f"{common}/")
            ends = {common} & lost.paths
            yield (*(Text(Kind.EXACT, path) for path in ends), below)
    if _has(lost.shape, PLACEHOLDERS) and REST not in lost.shape:
        yield (Text(Kind.REGEX, _pattern_of(lost.shape)),)
    if lost.is_complete and len(exact) <= MOST_EXACT_PATHS:
        yield exact


def _has(shape: str, placeholders: frozenset[str]) -> bool:
    return not placeholders.isdisjoint(shape.split("/"))


def _common_prefix(lost: Lost) -> str:
    """Return the longest prefix by segments of all paths, empty where it is `/`.

    Where not all paths are known, the shape says where they may differ.
    """
    common: list[str] | None = None
    for path in (*sorted(lost.paths), lost.shape):
        segments = path.split("/")
        if common is None:
            common = segments
            continue
        same = 0
        for mine, theirs in zip(common, segments, strict=False):
            if mine != theirs:
                break
            same += 1
        common = common[:same]
    assert common is not None
    return "/".join(common).rstrip("/")


def _pattern_of(shape: str) -> str:
    return "/".join(
        "[^/]+" if segment in PLACEHOLDERS else re.escape(segment) for segment in shape.split("/")
    )


def _is_text(text: Text) -> bool:
    """Return whether YAML can have this path: bytes that are no UTF-8 are no text."""
    return text.value.isascii() or not any("\ud800" <= each <= "\udfff" for each in text.value)


def _fits_http_route(text: Text) -> bool:
    """Return whether an HTTPRoute may have this path (`validation` of HTTPPathMatch)."""
    if len(text.value) > MOST_LETTERS or not _is_text(text):
        return False
    if text.kind is Kind.REGEX:
        return True
    is_allowed = _HTTP_ROUTE_PATH.fullmatch(text.value) is not None
    return is_allowed and not _REFUSED_IN_PATHS.search(text.value)


# --- whether it is safe ---


def _is_safe(
    matches: Sequence[Conditions],
    lost: Lost,
    host: VirtualHost,
    position: int | None,
    served: Sequence[ServedPath],
) -> bool:
    """Return whether an entry takes all these paths, and none of another rule that comes later."""
    if not all(any(each.path.matches(path) for each in matches) for path in lost.paths):
        return False
    for conditions in matches:
        later = {
            id(rule): rule
            for index, rule in enumerate(host.rules)
            if not _is_before(rule, index, conditions, position)
        }
        if lost.taken_by is not None and id(lost.taken_by) not in later:
            return False
        for each in _beginning_with(literal_of(conditions.path), served):
            is_taken = conditions.path.matches(each.path)
            if id(each.rule) in later and is_taken and _takes_method(conditions, each.method):
                return False
        for rule in later.values():
            is_meant = rule is lost.shadowed or _is_same_entry(rule, lost.taken_by)
            if is_meant or not isinstance(rule.action, Forward):
                continue
            if _overlap(conditions, rule.conditions, lost.paths):
                return False
    return True


def _beginning_with(literal: str, served: Sequence[ServedPath]) -> Iterator[ServedPath]:
    for index in range(bisect_left(served, literal, key=lambda each: each.path), len(served)):
        if not served[index].path.startswith(literal):
            return
        yield served[index]


def _is_before(rule: Rule, index: int, conditions: Conditions, position: int | None) -> bool:
    if position is not None:
        return index < position
    # A tie goes to the older object, or to the one that is written first.
    return rank(rule.conditions) >= rank(conditions)


def _takes_method(conditions: Conditions, method: str) -> bool:
    return conditions.method is None or not method or conditions.method.matches(method)


def _overlap(mine: Conditions, theirs: Conditions, paths: frozenset[str]) -> bool:
    """Return whether both may take one request: any of some paths, or the other's own path."""
    if mine.method is not None and theirs.method is not None and mine.method != theirs.method:
        return False
    literal = literal_of(theirs.path)
    if literal.strip("/") and mine.path.matches(literal):
        return True
    return any(theirs.path.matches(path) for path in paths if mine.path.matches(path))


# --- where the requests go ---


def _destinations(lost: Lost, host: VirtualHost) -> tuple[tuple[Destination, ...], str]:
    """Return the services, and the sentence that says whose they are."""
    if lost.before:
        return lost.before, "The service is the one that gets these requests today."
    rules = [lost.shadowed, None if lost.nearest is None else lost.nearest.rule, *host.rules]
    for rule in rules:
        if rule is not None and isinstance(rule.action, Forward) and rule.action.destinations:
            words = f"The service is a guess, that of {shown_text(rule.conditions.path)}"
            if rule.action.path is not None:
                words += ", which also rewrites the path"
            return rule.action.destinations, f"{words}: check it."
    return (), ""


# --- a host that is missing ---


def suggest_host(
    host: str, nearest: Nearest | None, hosts: Sequence[VirtualHost], subjects: Sequence[Subject]
) -> Suggestion | str:
    """Return how a host that no object names would get the rules of the nearest one.

    `subjects` are the lost requests; `hosts` are those among which the nearest is.
    """
    if nearest is None or HOST not in nearest.missing:
        return "no object has a rule for such a path on any host"
    if not _HOST_NAME.fullmatch(host) or _ADDRESS.fullmatch(host):
        return f"{host or 'an empty authority'} is no host name"
    home = nearest.rule.place
    if any(is_subset(host, each.lower()) for each in nearest.rule.hosts):
        return f"{nearest.rule.orderer} takes {host}, but its Gateway does not admit that host"
    if nearest.rule.orderer != home.resource:
        return f"the host must be added to spec.hosts of {nearest.rule.orderer}"
    key = "hostnames" if home.kind == HTTP_ROUTE else "hosts"
    rules = next(each.rules for each in hosts if nearest.rule in each.rules)
    own = [rule for rule in rules if _is_of(rule, home)]
    if not all(map(partial(_is_forwarded, own), subjects)):
        return (
            f"the host must be added to spec.{key} of {home.resource}, but its rules do not serve"
            " all of these requests"
        )
    note = "The Gateway must admit this host, too, and every rule of the object then serves it."
    return Suggestion(home, key, "", (host,), (note,))


def _is_forwarded(rules: Sequence[Rule], subject: Subject) -> bool:
    for rule in rules:
        truth = rule.conditions.judge(subject)
        if truth is not NO:
            return truth is YES and isinstance(rule.action, Forward)
    return False
