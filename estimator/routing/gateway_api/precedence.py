"""The order in which the matches of HTTPRoutes are tried, and when two of them tie.

The specification orders by what a match says and not by where it stands: an Exact path, then the
longest PathPrefix, then a method, then the number of headers, then the number of query parameters;
then the oldest route, the route's namespace and name, and last the order within the route. Where it
leaves the rank of a RegularExpression open, this is Istio's (`sortHTTPRoutes` of
pilot/pkg/config/kube/gateway/conversion.go): behind every PathPrefix, also behind `/`, and the
longer pattern first.
"""

from estimator.routing.conditions import Conditions, Kind, Named

Rank = tuple[int, int, bool, int, int]
"""The kind of the path, its length, whether there is a method, the headers, the parameters; the
greater rank goes first."""

LAST: Rank = (-1, 0, False, 0, 0)
"""The rank of a rule with an empty list of matches. One without the key `matches` gets the default
of the schema instead, a PathPrefix of `/`."""

_KINDS = {Kind.EXACT: 3, Kind.PREFIX: 2, Kind.SEGMENTS: 2, Kind.REGEX: 1}


def rank(conditions: Conditions) -> Rank:
    """Return the rank of a match. Istio counts the length of a path in bytes.

    An HTTPRoute asks for the authority by a header only.
    """
    path = conditions.path
    return (
        _KINDS[path.kind],
        len(path.value.encode()),
        conditions.method is not None,
        len(conditions.headers) + (conditions.authority is not None),
        len(conditions.query),
    )


def takes_all(conditions: Conditions) -> bool:
    """Return whether a match takes every request, as Istio judges it (`IsCatchAllRoute`)."""
    path = conditions.path
    is_any = (path.kind, path.value) in ((Kind.PREFIX, "/"), (Kind.REGEX, ".*"))
    has_more = conditions.method or conditions.authority or conditions.headers or conditions.query
    return is_any and not has_more


def may_both_match(match: Conditions, other: Conditions) -> bool:
    """Return whether a request may satisfy two matches of the same rank.

    For two regular expressions the answer is yes, because nothing simple tells.
    """
    if match.path.kind is not Kind.REGEX and match.path != other.path:
        return False
    if match.method != other.method:
        return False
    authorities = {match.authority, other.authority} - {None}
    if len(authorities) == 2 and all(text.kind is Kind.EXACT for text in authorities if text):
        return False
    return not (_contradict(match.headers, other.headers) or _contradict(match.query, other.query))


def _contradict(conditions: tuple[Named, ...], others: tuple[Named, ...]) -> bool:
    """Return whether the same name must have two different values."""
    exact = {named.name: named.text.value for named in conditions if named.text.kind is Kind.EXACT}
    return any(
        named.text.kind is Kind.EXACT
        and exact.get(named.name, named.text.value) != named.text.value
        for named in others
    )
