"""What the captured requests of each path say about state: sessions, credentials and upgrades.

Only a capture has the fields of a request. `Set-Cookie` is a field of a response, which no source
records, so a session is recognised by the cookie that its client sends back. Redaction without a
key removes cookies and credentials, and an imported log never had them: if such a capture shows
none, nothing is known.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from estimator.errors import InputError, Problem
from mirror.formats.bounded_files import BoundedFileError
from mirror.formats.capture.reader import read_records
from mirror.formats.capture.record import CaptureError, Record, Summary
from mirror.formats.routes import RouteTable

_SESSION = re.compile(r"sess|(?:^|[._-])sid$", re.IGNORECASE)
"""Names such as JSESSIONID, PHPSESSID, ASP.NET_SessionId, connect.sid and laravel_session."""
_MOST_COOKIE_NAMES = 100
"""Most names of session cookies that are counted for a path."""
_OF_A_LOG = frozenset({"user-agent", "referer"})


@dataclass(slots=True)
class State:
    """What the fields of a path's captured requests say; numbers of requests."""

    requests: int = 0
    session: int = 0
    """With a cookie that is named like a session's."""
    cookies: Counter[str] = field(default_factory=Counter)
    """Names of those cookies."""
    authorization: int = 0
    upgrades: int = 0
    """WebSocket handshakes. A capture has no `Upgrade`, but `Sec-WebSocket-Version`."""


def read_state(capture: Path, templates: RouteTable) -> dict[str, State] | None:
    """Return what a capture says about every route tag; None if its fields are missing.

    Damaged parts are left out: the reader of requests counts them. Raises InputError.
    """
    by_tag: dict[str, State] = {}
    summary = Summary()
    has_fields = has_secrets = False
    try:
        for record in read_records(capture, lambda loss: None, summary):
            names = _add(record, by_tag, templates)
            has_fields = has_fields or not names <= _OF_A_LOG
            has_secrets = has_secrets or "cookie" in names or "authorization" in names
    except (CaptureError, BoundedFileError) as error:
        place, _, rule = str(error).partition(": ")
        raise InputError([Problem(place, rule)]) from error
    is_known = has_fields and (has_secrets or not summary.redacted)
    return by_tag if is_known else None


def _add(record: Record, by_tag: dict[str, State], templates: RouteTable) -> frozenset[str]:
    """Count a record, and return the names of its fields."""
    state = by_tag.setdefault(templates.match(record.target.encode("latin-1")), State())
    fields: dict[str, str] = {}
    for name, value in record.headers:
        name = name.lower()
        # HTTP/2 clients may send several Cookie fields (RFC 9113 section 8.2.3).
        fields[name] = f"{fields[name]}; {value}" if name in fields else value
    sessions = _sessions(fields.get("cookie", ""))
    state.requests += 1
    state.session += bool(sessions)
    for name in sessions:
        if name in state.cookies or len(state.cookies) < _MOST_COOKIE_NAMES:
            state.cookies[name] += 1
    state.authorization += "authorization" in fields
    state.upgrades += "sec-websocket-version" in fields
    return frozenset(fields)


def _sessions(cookie: str) -> set[str]:
    names = (pair.partition("=")[0].strip() for pair in cookie.split(";") if "=" in pair)
    return {name for name in names if _SESSION.search(name)}
