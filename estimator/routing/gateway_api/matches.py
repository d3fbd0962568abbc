"""The matches of an HTTPRoute's rule as conditions.

The schema and its defaults are those of apis/v1/httproute_types.go of kubernetes-sigs/gateway-api:
a rule without `matches` and a match without `path` ask for a PathPrefix of `/`. Istio compiles them
(`createURIMatch` and its neighbours in pilot/pkg/config/kube/gateway/conversion.go, and
`TranslateRouteMatch` of pilot/pkg/networking/core/route/route.go). Two of its choices differ from
the specification: a header that is named twice in different case must fit twice, where only the
first would count; and the regular expression `*`, which RE2 refuses, asks only that the header or
the parameter is there.
"""

import re
from collections.abc import Iterator

from estimator.routing import patterns
from estimator.routing.conditions import Conditions, Kind, Named, Text
from estimator.routing.gateway_api.fields import Fields, Pattern
from estimator.routing.gateway_api.precedence import LAST, Rank, rank
from estimator.routing.rules import Place

MOST_MATCHES = 64
_MOST_NAMED = 16
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")

HEADER_NAME = Pattern(
    re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+"), "a name of a header field without ':' and '/'", 256
)
_PATH = Pattern(re.compile(r".*", re.DOTALL), "a path", 1024)
_PATH_CHARACTERS = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_FORBIDDEN = ("//", "/./", "/../", "%2f", "%2F", "#")
_FORBIDDEN_ENDS = ("/..", "/.")


def read_matches(rule: Fields) -> Iterator[tuple[Place, Conditions, Rank]]:
    """Yield the matches of a rule, each with its rank."""
    if rule.has_empty_list("matches"):
        yield rule.place, Conditions(), LAST
        return
    matches = rule.mappings("matches", MOST_MATCHES)
    if not matches:
        yield rule.place, Conditions(), rank(Conditions())
    for match in matches:
        match.only("path", "headers", "queryParams", "method")
        conditions = _conditions(match)
        yield match.place, conditions, rank(conditions)


def _conditions(match: Fields) -> Conditions:
    path = match.mapping("path")
    method = match.choice("method", _METHODS)
    headers = list(_named(match, "headers", 4096))
    # Envoy keeps Host as :authority and finds it by either name.
    hosts = [header.text for header in headers if header.name == "host"]
    return Conditions(
        path=Text(Kind.PREFIX, "/") if path is None else _path(path),
        method=None if method is None else Text(Kind.EXACT, method),
        authority=hosts[0] if hosts else None,
        headers=tuple(header for header in headers if header.name != "host"),
        query=tuple(_named(match, "queryParams", 1024)),
    )


def _path(path: Fields) -> Text:
    path.only("type", "value")
    kind = path.choice("type", ("Exact", "PathPrefix", "RegularExpression"), "PathPrefix")
    value = path.text("value", _PATH, "/") or ""
    if kind == "RegularExpression":
        _check_regex(path, value)
        return Text(Kind.REGEX, value)
    for problem in _path_problems(value):
        path.report("value", f"expected {problem}, got {value!r}")
    if kind == "Exact":
        return Text(Kind.EXACT, value)
    # A slash at the end of a PathPrefix does not count, except that of `/` alone.
    prefix = value.removesuffix("/")
    return Text(Kind.SEGMENTS, prefix) if prefix else Text(Kind.PREFIX, "/")


def _path_problems(value: str) -> Iterator[str]:
    if not value.startswith("/"):
        yield "a path that starts with '/'"
    for part in _FORBIDDEN:
        if part in value:
            yield f"a path without {part!r}"
    for end in _FORBIDDEN_ENDS:
        if value.endswith(end):
            yield f"a path that does not end with {end!r}"
    if value and not _PATH_CHARACTERS.fullmatch(value.replace("#", "")):
        yield "a path of the characters that RFC 3986 allows in one, others as %XX"


def _named(match: Fields, key: str, most: int) -> Iterator[Named]:
    form = Pattern(re.compile(r".+", re.DOTALL), f"a text of 1 to {most} characters", most)
    seen = set()
    for entry in match.mappings(key, _MOST_NAMED):
        entry.only("type", "name", "value")
        kind = entry.choice("type", ("Exact", "RegularExpression"), "Exact")
        name = entry.text("name", HEADER_NAME, is_required=True) or ""
        value = entry.text("value", form, is_required=True) or ""
        if name in seen:
            entry.report("name", f"expected each name once, got {name} twice")
        seen.add(name)
        if kind == "Exact":
            text = Text(Kind.EXACT, value)
        elif value == "*":
            text = Text(Kind.PRESENT)
        else:
            _check_regex(entry, value)
            text = Text(Kind.REGEX, value)
        yield Named(name.lower() if key == "headers" else name, text)


def _check_regex(fields: Fields, value: str) -> None:
    try:
        if not value:
            raise patterns.PatternError("it is empty")
        patterns.check(value)
    except patterns.PatternError as error:
        fields.report("value", f"expected an RE2 regular expression, got {value!r}: {error}")
