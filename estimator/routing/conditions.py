"""What a rule asks of a request, each condition answered by yes, no or unknown.

The semantics are those of Envoy's RouteMatch (api/envoy/config/route/v3/route_components.proto,
source/common/router/config_impl.cc and source/common/http/header_utility.cc). What the source of a
request does not record makes a condition unknown, and never no. A condition that is not judged at
all is unknown for every request.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property

from estimator.routing import patterns
from estimator.routing.request import Request


class Truth(Enum):
    """The answer of a condition."""

    YES = 1
    UNKNOWN = 0
    NO = -1


YES, UNKNOWN, NO = Truth.YES, Truth.UNKNOWN, Truth.NO

SET_BY_GATEWAY = ("x-forwarded-", "x-envoy-", "x-request-id")
"""Headers that the gateway sets or removes, depending on how many proxies it trusts."""
_OF_A_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade")
)
"""Headers that Envoy removes before it routes, except what it supports of `te` and `upgrade`
(`mutateRequestHeaders` of source/common/http/conn_manager_utility.cc)."""
_URL = re.compile("(?i)https?://[^/]")


class Kind(StrEnum):
    """How a text is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    SEGMENTS = "segments"
    """A prefix that ends where a segment of the path ends: `/a` matches /a and /a/b, not /ab."""
    REGEX = "regex"
    PRESENT = "present"
    """Any value, the empty one too."""


@dataclass(frozen=True, slots=True)
class Text:
    """A comparison with a text."""

    kind: Kind
    value: str = ""
    ignores_case: bool = False
    """Not for a regex: Envoy always compares a regex case-sensitively."""

    def matches(self, text: str) -> bool:
        """Return whether `text` matches. Raises patterns.PatternError for a refused regex."""
        if self.kind is Kind.PRESENT:
            return True
        if self.kind is Kind.REGEX:
            return patterns.matches_whole(self.value, text)
        value = self.value
        if self.ignores_case:
            # Envoy folds ASCII only (absl::EqualsIgnoreCase, absl::StartsWithIgnoreCase).
            value, text = _ascii_lower(value), _ascii_lower(text)
        if self.kind is Kind.EXACT:
            return text == value
        if not text.startswith(value):
            return False
        is_bounded = len(text) == len(value) or text[len(value)] == "/"
        return self.kind is Kind.PREFIX or is_bounded

    def __str__(self) -> str:
        return self.kind.value if self.kind is Kind.PRESENT else f"{self.kind.value} {self.value}"


@dataclass(frozen=True, slots=True)
class Named:
    """A condition on a header or on a query parameter."""

    name: str
    """The name of a header is in lower case."""
    text: Text
    is_negated: bool = False
    """The condition holds where the text does not match."""
    missing_is_empty: bool = False
    """A header that is missing is compared as an empty text; otherwise it never matches, and
    only a negated PRESENT holds for it."""

    def judge(self, values: Mapping[str, str], unknown: frozenset[str] = frozenset()) -> Truth:
        """Answer for a request with these headers, or query parameters.

        The values of `unknown` ones are not known; one of them that is in `values` is present.
        """
        value = values.get(self.name)
        is_present = value is not None and self.text.kind is Kind.PRESENT
        if self.name in unknown and not is_present:
            return UNKNOWN
        if value is None and self.missing_is_empty and self.text.kind is not Kind.PRESENT:
            value = ""
        if value is None:
            return YES if self.is_negated and self.text.kind is Kind.PRESENT else NO
        return YES if self.text.matches(value) is not self.is_negated else NO


class Subject:
    """A request as its conditions see it: with its path and its query apart."""

    def __init__(self, request: Request) -> None:
        self.request = request
        target = request.target.partition("#")[0]
        self.path, self.has_query, self.query = target.partition("?")

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Each query parameter with its first value, as Envoy's QueryParamsMulti reads them."""
        values: dict[str, str] = {}
        for pair in self.query.split("&") if self.has_query else ():
            name, _, value = pair.partition("=")
            values.setdefault(name, value)
        return values


@dataclass(frozen=True, slots=True)
class Conditions:
    """All conditions of a rule; the rule matches where each of them holds."""

    path: Text = field(default=Text(Kind.PREFIX, "/"))
    method: Text | None = None
    authority: Text | None = None
    scheme: Text | None = None
    headers: tuple[Named, ...] = ()
    query: tuple[Named, ...] = ()
    unjudged: tuple[str, ...] = ()
    """Conditions that are written and not judged, each a sentence with file and line."""

    def judge(self, subject: Subject) -> Truth:
        """Return no as soon as one condition says no, else unknown if one is, else yes."""
        if not self.path.matches(subject.path):
            # Most rules say no here, and cost no more than this.
            return NO
        answer = YES
        for _, truth in self.answers(subject):
            if truth is NO:
                return NO
            if truth is UNKNOWN:
                answer = UNKNOWN
        return answer

    def answers(self, subject: Subject) -> Iterator[tuple[str, Truth]]:
        """Yield what each condition depends on (`path`, `header x-user`) with its answer."""
        request = subject.request
        yield "path", YES if self.path.matches(subject.path) else NO
        if self.method is not None:
            yield "method", _judge_text(self.method, request.method or None)
        if self.authority is not None:
            yield "authority", _judge_text(self.authority, request.authority or None)
        if self.scheme is not None:
            yield "scheme", _judge_text(self.scheme, request.scheme)
        for header in self.headers:
            yield f"header {header.name}", _judge_header(header, request)
        for parameter in self.query:
            answer = parameter.judge(subject.parameters, request.unknown_parameters)
            yield f"query parameter {parameter.name}", answer
        for feature in self.unjudged:
            yield feature, UNKNOWN


def _judge_header(header: Named, request: Request) -> Truth:
    if request.headers is None or header.name.startswith(SET_BY_GATEWAY):
        return UNKNOWN
    if header.name in _OF_A_HOP and header.name in request.headers:
        return UNKNOWN
    if header.name == "referer" and not _URL.match(request.headers.get("referer", "http://a")):
        # Envoy removes it (`sanitize_http_header_referer`), some versions only if it is no path.
        return UNKNOWN
    return header.judge(request.headers, request.unknown_headers)


def _judge_text(text: Text, value: str | None) -> Truth:
    if value is None:
        return UNKNOWN
    return YES if text.matches(value) else NO


def _ascii_lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(map(_lower_if_ascii, text))


def _lower_if_ascii(character: str) -> str:
    return character.lower() if character.isascii() else character
