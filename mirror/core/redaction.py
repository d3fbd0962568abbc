"""Redacts what must not be recorded of a request: removes it, or replaces it by a keyed hash.

This module owns the names of the headers and query keys that hold secrets, and finds them whatever
their case or escaping.

Invariant: no value of a listed header, cookie or query key is in what a Redactor returns. Secrets
in a path, in a body or under another name stay, because nothing marks them.

With a key, a value becomes its BLAKE2b hash. Equal values have equal hashes, so that sessions can
still be told apart. Without the key, nobody can test a guessed value against a hash, which a plain
hash of a short or common value would allow.

References: RFC 7693 section 2.9 (keyed BLAKE2b), RFC 9110 section 11 (credentials), RFC 3986
section 3.4 (queries), RFC 6265 section 4.2 (cookies).
"""

import hashlib
from collections.abc import Iterable
from urllib.parse import unquote_plus

HEADERS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"),
        *("x-access-token", "x-amz-security-token", "x-csrf-token", "x-xsrf-token"),
    }
)
QUERY_KEYS = frozenset(
    {
        *("token", "access_token", "refresh_token", "id_token", "jwt", "code", "auth"),
        *("api_key", "apikey", "key", "secret", "client_secret", "signature", "sig"),
        *("password", "passwd", "pwd", "session", "sessionid", "session_id", "sid"),
        *("x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature"),
    }
)
"""Both sets are redacted in every capture; a configuration can only add to them."""

# Header fields whose value is a URL, with a query that may hold secrets.
_URLS = frozenset(
    {"referer", "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"}
)
# Never recorded: Trailer concerns one hop only, and nginx makes a new id for each request.
_LEFT_OUT = frozenset({"trailer", "x-mirror-request-id"})
_KEEP, _REDACT, _COOKIE, _URL, _LEAVE_OUT = range(5)
_MOST_NAMES = 4096
"""Bound of both caches: clients choose the names of headers and keys, and could fill the memory."""
_HASH_BYTES = 12


class Redactor:
    """Redacts header fields and targets; `redacted` counts the values it removed or replaced."""

    def __init__(
        self, headers: Iterable[str] = (), query_keys: Iterable[str] = (), key: bytes | None = None
    ) -> None:
        """Redact `headers` and `query_keys` in addition to HEADERS and QUERY_KEYS.

        `key` has at most 64 bytes, the limit of BLAKE2b; without it, values are removed.
        """
        self.redacted = 0
        self._headers = HEADERS | {name.lower() for name in headers}
        self._keys = QUERY_KEYS | {name.lower() for name in query_keys}
        self._key = key
        self._actions: dict[str, int] = {}
        self._secret_keys: dict[str, bool] = {}

    def fields(self, fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return the header fields in their order, without their secrets."""
        kept: list[tuple[str, str]] = []
        actions = self._actions
        for field in fields:
            name, value = field
            action = actions.get(name, -1)
            if action < 0:
                action = self._action(name)
            if action == _KEEP:
                kept.append(field)
            elif action == _URL:
                kept.append((name, self.target(value)))
            elif action == _LEAVE_OUT:
                continue
            elif self._key is None:
                self.redacted += 1
            elif action == _COOKIE:
                kept.append((name, self._cookies(value)))
            else:
                kept.append((name, self._hash(value)))
        return tuple(kept)

    def target(self, target: str) -> str:
        """Return a request target or URL without the secrets of its query."""
        path, mark, query = target.partition("?")
        if not mark:
            return target
        before = self.redacted
        pieces = []
        for piece in query.split("&"):
            # Some servers read `;` as `&` (HTML 4.01 recommended it), others as part of the value.
            # Splitting at both finds the key in either case.
            pairs = [self._pair(pair) for pair in piece.split(";")]
            kept = [pair for pair in pairs if pair is not None]
            if kept:
                pieces.append(";".join(kept))
        if self.redacted == before:
            return target
        return f"{path}?{'&'.join(pieces)}" if pieces else path

    def _action(self, name: str) -> int:
        lower = name.lower()
        action = _KEEP
        if lower in self._headers:
            action = _COOKIE if lower == "cookie" else _REDACT
        elif lower in _URLS:
            action = _URL
        elif lower in _LEFT_OUT:
            action = _LEAVE_OUT
        if len(self._actions) >= _MOST_NAMES:
            self._actions.clear()
        self._actions[name] = action
        return action

    def _pair(self, pair: str) -> str | None:
        """Return a pair of the query as it may be recorded; None if nothing of it may."""
        name, equals, value = pair.partition("=")
        is_secret = self._secret_keys.get(name)
        if is_secret is None:
            # PHP and others read `token[]`, `user[token]` and `user.token` as nested keys, so each
            # part of a name is compared. Servers unescape names before they look at them.
            plain = unquote_plus(name, errors="replace").lower()
            is_secret = any(
                part.rstrip("]").strip() in self._keys
                for part in plain.replace(".", "[").split("[")
            )
            if len(self._secret_keys) >= _MOST_NAMES:
                self._secret_keys.clear()
            self._secret_keys[name] = is_secret
        if not is_secret or not value:
            return pair
        if self._key is None:
            self.redacted += 1
            return None
        return name + equals + self._hash(value)

    def _cookies(self, value: str) -> str:
        """Hash each cookie by itself: a session keeps its hash while other cookies change."""
        pairs = []
        for pair in value.split(";"):
            name, equals, secret = pair.strip().partition("=")
            pairs.append(name + equals + self._hash(secret) if equals else self._hash(name))
        return "; ".join(pairs)

    def _hash(self, value: str) -> str:
        self.redacted += 1
        assert self._key is not None
        data = value.encode("latin-1")
        digest = hashlib.blake2b(data, digest_size=_HASH_BYTES, key=self._key)
        return "redacted-" + digest.hexdigest()
