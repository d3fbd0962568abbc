"""An HTTPRoute: its parents, its hostnames and its rules.

The schema is that of apis/v1/httproute_types.go and shared_types.go of kubernetes-sigs/gateway-api.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from estimator.routing.conditions import Conditions, Kind
from estimator.routing.gateway_api.backends import Grant, destinations, read_backends
from estimator.routing.gateway_api.fields import (
    API_GROUP,
    GROUP,
    HOSTNAME,
    KIND,
    MOST_PORT,
    NAME,
    NAMESPACE,
    SECTION,
    Fields,
    spec_of,
)
from estimator.routing.gateway_api.filters import Filters, RedirectTo, read_filters
from estimator.routing.gateway_api.matches import read_matches
from estimator.routing.gateway_api.precedence import Rank
from estimator.routing.istio.names import ANY
from estimator.routing.objects import KubernetesObject
from estimator.routing.rules import Answer, Forward, Place

_MOST_RULES = 16
_MOST_MATCHES = 128
_MOST_HOSTNAMES = 16
_MOST_PARENTS = 32
_NO_BACKEND_STATUS = 500


@dataclass(frozen=True, slots=True)
class ParentRef:
    """What a route wants to be attached to."""

    place: Place
    kind: str
    """With its group in front, unless it is one of Gateway API: `Gateway`, `/Service`."""
    namespace: str
    name: str
    section: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One match of a rule with what the rule does. A rule with several matches is several of these.

    That is how Istio splits it, so that each match has its own place in the order.
    """

    place: Place
    conditions: Conditions
    rank: Rank
    action: Forward | Answer | RedirectTo
    not_understood: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTPRoute."""

    place: Place
    created: datetime | None
    """None where the file does not tell, as before the object is applied."""
    parents: tuple[ParentRef, ...]
    hostnames: tuple[str, ...]
    """`*` alone for a route without hostnames."""
    rules: tuple[RouteRule, ...]
    not_understood: tuple[str, ...] = ()
    """What concerns every rule."""


def read_route(resource: KubernetesObject, grants: Sequence[Grant]) -> Route:
    """Return an HTTPRoute; report its problems."""
    place, spec = resource.body.place, spec_of(resource)
    spec.only("parentRefs", "hostnames", "rules", "useDefaultGateways")
    if spec.has("useDefaultGateways"):
        spec.warn("useDefaultGateways", "is not judged; only the parentRefs are")
    hostnames = tuple(spec.texts("hostnames", _MOST_HOSTNAMES, HOSTNAME))
    rules: list[RouteRule] = []
    refused: list[str] = []
    entries = spec.mappings("rules", _MOST_RULES)
    if spec.has_empty_list("rules"):
        spec.report("rules", "expected at least one rule, or no key for the default rule")
    if not spec.has("rules"):
        # The default of the schema: one rule that takes every request and has no backend.
        entries = [spec.default("rules[0]")]
    for entry in entries:
        filters = read_filters(entry)
        refused += filters.refused
        rules += _rules(entry, filters, place.namespace, grants, refused)
    if len(rules) > _MOST_MATCHES:
        spec.report("rules", f"expected at most {_MOST_MATCHES} matches, got {len(rules)}")
    parents = tuple(_parents(spec, place.namespace))
    return Route(
        place,
        _created(resource.created),
        parents,
        hostnames or (ANY,),
        tuple(rules),
        tuple(refused),
    )


def _rules(
    rule: Fields, filters: Filters, namespace: str, grants: Sequence[Grant], refused: list[str]
) -> Iterator[RouteRule]:
    """Yield a rule for each match; add what Istio refuses the route for to `refused`."""
    rule.only(
        "name", "matches", "filters", "backendRefs", "timeouts", "retry", "sessionPersistence"
    )
    backends = read_backends(rule, namespace, grants)
    authority = filters.authority
    doubts = []
    for backend in backends:
        own = read_filters(backend.fields, is_of_backend=True)
        refused += own.refused
        if own.authority and len(backends) > 1:
            doubts.append(
                f"{backend.fields.place}: sets Host for its own share, which is not judged"
            )
        elif own.authority:
            authority = authority or own.authority
    if filters.redirect and backends:
        rule.report("backendRefs", "expected none with a filter of type RequestRedirect")
    shares, share_doubts = destinations(backends)
    doubts += share_doubts
    matches = tuple(read_matches(rule))
    _check_prefix_modifier(rule, filters, [conditions for _, conditions, _ in matches])
    for place, conditions, rank in matches:
        action: Forward | Answer | RedirectTo
        if filters.redirect:
            action = filters.redirect
        elif not shares:
            action = Answer(_NO_BACKEND_STATUS)
        else:
            rewrite = filters.rewrite
            change = None if rewrite is None else rewrite.rewritten(conditions.path)
            action = Forward(shares, change, authority)
        yield RouteRule(place, conditions, rank, action, tuple(doubts))


def _check_prefix_modifier(
    rule: Fields, filters: Filters, conditions: Sequence[Conditions]
) -> None:
    modifier = filters.rewrite or (filters.redirect.path if filters.redirect else None)
    if modifier is None or modifier.replaces_all:
        return
    paths = [match.path for match in conditions]
    if len(paths) != 1 or paths[0].kind not in (Kind.PREFIX, Kind.SEGMENTS):
        expected = "expected exactly one match, of type PathPrefix, with replacePrefixMatch"
        rule.report("matches", expected)
    elif filters.rewrite and paths[0].value == "/" and modifier.by.strip("/"):
        by = modifier.by.removesuffix("/")
        rule.warn("filters", f"Istio makes {by}b of /b here, and not {by}/b")
    elif filters.redirect and not modifier.by:
        rule.warn("filters", "Istio leaves the path as it is for an empty replacePrefixMatch")
    elif filters.redirect and paths[0].value == "/" and not modifier.by.endswith("/"):
        rule.warn("filters", f"Istio redirects /b to {modifier.by}b here, and not {modifier.by}/b")
    elif filters.redirect and paths[0].value != "/" and modifier.by.endswith("/"):
        was, now = f"{paths[0].value}/b", f"{modifier.by}/b"
        rule.warn("filters", f"Istio redirects {was} to {now}, with two slashes")


def _parents(spec: Fields, namespace: str) -> Iterator[ParentRef]:
    """Yield the parents; several references to one must differ in the same of their fields."""
    sections: dict[tuple[str, str, str], list[tuple[str | None, int | None]]] = {}
    for ref in spec.mappings("parentRefs", _MOST_PARENTS):
        ref.only("group", "kind", "namespace", "name", "sectionName", "port")
        group = ref.text("group", GROUP, API_GROUP)
        kind = ref.text("kind", KIND, "Gateway") or ""
        parent = ParentRef(
            ref.place,
            kind if group == API_GROUP else f"{group}/{kind}",
            ref.text("namespace", NAMESPACE, namespace) or "",
            ref.text("name", NAME, is_required=True) or "",
            ref.text("sectionName", SECTION),
            ref.number("port", 1, MOST_PORT),
        )
        others = sections.setdefault((parent.kind, parent.namespace, parent.name), [])
        section = (parent.section, parent.port)
        if section in others:
            ref.report("", "expected another sectionName or port than a reference above has")
        elif any(
            [part is None for part in section] != [part is None for part in other]
            for other in others
        ):
            ref.report(
                "", "expected sectionName, or port, in each reference to one parent or in none"
            )
        others.append(section)
        yield parent


def _created(stamp: str) -> datetime | None:
    """Return when the API server says that the object was created."""
    try:
        created = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return created if created.tzinfo else created.replace(tzinfo=UTC)
