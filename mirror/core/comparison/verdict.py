"""The result of comparing production's answer with the shadow's: one word of a closed set.

The result says what a client would have met if the shadow had answered in production's place. Two
rules come before all others. An equal status is no difference, whoever gave it: a client cannot
tell who did. And where production did not serve a request either, a shadow that fails, too, is no
new error.

Envoy's own answers are told from the application's by `Answer.is_from_proxy`. Envoy answers 404 for
a request that no route matches (source/common/router/router.cc, `NR`), 426 for HTTP/1.0
(source/common/http/conn_manager_impl.cc, `low_version`), 429 where a rate limit is reached, 401 and
403 by its filters for authorization, 503 without a usable upstream, and 504 for a timeout.
"""

from mirror.core import ledger
from mirror.core.comparison.answer import TLS, Answer
from mirror.core.comparison.redirects import lead_apart

SAME = "same"
SIZE = "size"
BETTER = "better"
ROUTE_MISS = "route_miss"
APP_NOT_FOUND = "app_not_found"
APP_ERROR = "app_error"
APP_STATUS = "app_status"
REDIRECT = "redirect"
DENIED = "denied"
RATE_LIMITED = "rate_limited"
HTTP_VERSION = "http_version"
NO_UPSTREAM = "no_upstream"
UPSTREAM_TIMEOUT = "upstream_timeout"
MTLS = "mtls"
TIMEOUT = "timeout"
NOT_ANSWERED = "not_answered"
PROXY_STATUS = "proxy_status"

RESULTS = (
    *(SAME, SIZE, BETTER, ROUTE_MISS, APP_NOT_FOUND, APP_ERROR, APP_STATUS, REDIRECT, DENIED),
    *(RATE_LIMITED, HTTP_VERSION, NO_UPSTREAM, UPSTREAM_TIMEOUT, MTLS, TIMEOUT, NOT_ANSWERED),
    PROXY_STATUS,
)
NEW_ERRORS = frozenset(RESULTS) - {SAME, SIZE, BETTER}
"""The shadow does not serve the request as production did."""

# Why a shadow leg that ended has no result.
EXTRA_COPY = "extra_copy"
PRIMARY_ABORTED = "primary_aborted"
SHADOW_ABORTED = "shadow_aborted"
NO_LOG_LINE = "no_log_line"
NOT_JOINABLE = "not_joinable"
EVICTED = "evicted"
NO_STATUS = "no_status"
UNCOMPARED = (
    *(EXTRA_COPY, PRIMARY_ABORTED, SHADOW_ABORTED),
    *(NO_LOG_LINE, NOT_JOINABLE, EVICTED, NO_STATUS),
)

CLASSES = ("none", "2xx", "3xx", "4xx", "5xx")
"""How `classes_of` names one side; 1xx cannot be, because no upgrade is mirrored."""

# By the first digits of both statuses; a status of 600 or more counts as 5xx.
_OF_DIGIT = ("none", "none", *CLASSES[1:], *("5xx",) * 4)
_PAIRS_OF_CLASSES = tuple(tuple(f"{ours}>{theirs}" for theirs in _OF_DIGIT) for ours in _OF_DIGIT)

SIZE_FACTOR = 2
SIZE_BYTES = 1024
"""Bodies differ in size where they differ by more than the factor and by more than these bytes."""

_OF_PROXY = {
    401: DENIED,
    403: DENIED,
    404: ROUTE_MISS,
    426: HTTP_VERSION,
    429: RATE_LIMITED,
    503: NO_UPSTREAM,
    504: UPSTREAM_TIMEOUT,
}
_GONE = (404, 410)


def verdict(primary: Answer, shadow: Answer) -> str:
    """Return which of RESULTS the pair is."""
    ours, theirs = primary.status, shadow.status
    if ours == theirs:
        return _of_equal_classes(primary, shadow)
    has_failed = ours == 0 or ours >= 500
    if theirs == 0 or theirs >= 500:
        return SAME if has_failed else _of_failure(shadow)
    if _kind_of(ours) == _kind_of(theirs) != 4:
        return _of_equal_classes(primary, shadow)
    if shadow.is_from_proxy:
        return REDIRECT if _kind_of(theirs) == 3 else _OF_PROXY.get(theirs, PROXY_STATUS)
    if has_failed:
        return BETTER
    if theirs in _GONE and ours not in _GONE:
        return APP_NOT_FOUND
    if _kind_of(ours) == 4 == _kind_of(theirs):
        return _of_equal_classes(primary, shadow)
    return REDIRECT if _kind_of(theirs) == 3 and _kind_of(ours) == 2 else APP_STATUS


def classes_of(primary: Answer, shadow: Answer) -> str:
    """Return the classes of both statuses, production's first, such as `2xx>4xx`."""
    return _PAIRS_OF_CLASSES[primary.status // 100][shadow.status // 100]


def _kind_of(status: int) -> int:
    """Return the first digit, but 2 for 304, which confirms what a 200 would have brought."""
    return 2 if status == 304 else status // 100


def _of_equal_classes(primary: Answer, shadow: Answer) -> str:
    ours, theirs = primary.body_bytes, shadow.body_bytes
    if lead_apart(primary.location, shadow.location, shadow.base):
        return REDIRECT
    if primary.status == 304 or shadow.status == 304 or ours < 0 or theirs < 0:
        return SAME
    less, more = (ours, theirs) if ours < theirs else (theirs, ours)
    return SIZE if more > SIZE_FACTOR * less and more - less > SIZE_BYTES else SAME


def _of_failure(shadow: Answer) -> str:
    """Return the cause of a shadow that answered 5xx or not at all."""
    if shadow.status == 0:
        if shadow.outcome == ledger.TIMEOUT:
            return TIMEOUT
        return MTLS if shadow.detail == TLS else NOT_ANSWERED
    if not shadow.is_from_proxy:
        return APP_ERROR
    if shadow.status == 503 and shadow.detail == TLS:
        return MTLS
    return _OF_PROXY.get(shadow.status, PROXY_STATUS)
