"""What of a request must not be recorded: taken out, or replaced by a keyed hash.

Owns which headers and query keys hold secrets, and how they are found: whatever the case of a
name, and however a key is escaped. With a key, equal values have equal hashes, so that sessions
can still be told apart; without the key nobody gets from a hash back to a value.
Keeps: no value of a listed header, cookie or query key is in what is returned. Secrets that stand
in a path, in a body or under another name are not known here.
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
"""Redacted in every capture; a configuration can only add to them."""

# Fields that hold an address, which has a query of its own.
_URLS = frozenset(
    {"referer", "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"}
)
# No part of a record: of one hop, and nginx's id, which is new with each request.
_LEFT_OUT = frozenset({"trailer", "x-mirror-request-id"})
_KEEP, _REDACT, _COOKIE, _URL, _LEAVE_OUT = range(5)
_MOST_NAMES = 4096
"""Names and keys that are remembered, whatever clients make up."""
_HASH_BYTES = 12


class Redactor:
    """`redacted` counts the values that were taken out or replaced."""

    def __init__(
        self, headers: Iterable[str] = (), query_keys: Iterable[str] = (), key: bytes | None = None
    ) -> None:
        """`headers` and `query_keys` are redacted beside the usual ones. Without a `key`, which
        has at most 64 bytes, values are taken out."""
        self.redacted = 0
        self._headers = HEADERS | {name.lower() for name in headers}
        self._keys = QUERY_KEYS | {name.lower() for name in query_keys}
        self._key = key
        self._actions: dict[str, int] = {}
        self._secret_keys: dict[str, bool] = {}

    def fields(self, fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Header fields without their secrets, in their order."""
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
        """A target or address without the secrets of its query."""
        path, mark, query = target.partition("?")
        if not mark:
            return target
        before = self.redacted
        pieces = []
        for piece in query.split("&"):
            # Some servers take `;` for `&`, others for a part of the value.
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
        """None where nothing of it may stay."""
        name, equals, value = pair.partition("=")
        is_secret = self._secret_keys.get(name)
        if is_secret is None:
            # PHP and others read `token[]` and `user[token]` as well.
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
        """Each by itself: a session stays the same beside others that change."""
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
