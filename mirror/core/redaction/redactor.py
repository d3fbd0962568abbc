"""Redacts what must not be recorded of a request: removes it, or replaces it by a keyed hash.

A value goes if its name means a secret (mirror.formats.capture.secret_names) or if it looks like
one itself (values.py): in a header, in the query, in a parameter of the path (`;jsessionid=…`), in
a segment of the path, and in the same places of a header whose value is a URL.

Invariant: no value under such a name, and no value of such a form, is in what a Redactor returns.
Secrets of another form under a harmless name stay, because nothing marks them; `doubtful` names the
places of values that look random. Bodies are not read here: whoever keeps them keeps their secrets.

With a key, a value becomes its BLAKE2b hash. Equal values have equal hashes, so that sessions can
still be told apart. Without the key, nobody can test a guessed value against a hash, which a plain
hash of a short or common value would allow. A hash stays as it is when it is redacted again.

References: RFC 7693 section 2.9 (keyed BLAKE2b), RFC 9110 section 11 (credentials), RFC 3986
sections 3.3 and 3.4 (paths, queries), RFC 6265 section 4.2 (cookies).
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar
from urllib.parse import unquote, unquote_plus

from mirror.core.redaction.values import is_random, secret_kind
from mirror.formats.capture.redacted import PREFIX, SEGMENT, is_hashed
from mirror.formats.capture.secret_names import is_secret_name

# Header fields whose value is a URL, with a query that may hold secrets.
_URLS = frozenset(
    {"referer", "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"}
)
# Never recorded: Trailer concerns one hop only, and nginx makes a new id for each request.
_LEFT_OUT = frozenset({"trailer", "x-mirror-request-id"})
# Most targets hold neither: escapes and other separators, nor a word as long as the shortest value
# that values.py recognises, which is a card number or a Slack token.
_NOTABLE = re.compile(r"[%+#;@]|[^/?&=]{15}")
_NOT_KEYS = re.compile(r"^[^?&\n]*|=[^?&\n]*", re.MULTILINE)
# The same for many targets at once: each character stands for its kind, but line breaks stay.
_MARK, _LONG_WORD = b"!", b"w" * 15
_KINDS = bytes(byte if byte in b"/?&=\n" else b"!w"[byte not in b"%+#;@"] for byte in range(256))
_KEEP, _REDACT, _COOKIE, _URL, _LEAVE_OUT = range(5)
_MOST_NAMES = 4096
"""Bound of every cache and counter here: clients choose names, and could fill the memory."""
_LONGEST_CACHED = 256
CACHES_BYTES = 16 << 20
"""Most bytes of all caches and counters of a Redactor."""
_HASH_BYTES = 12
_OTHER = "other names"
_RANDOM = "random"

_Key = TypeVar("_Key")
_Known = TypeVar("_Known")


class Redactor:
    """Redacts header fields and targets, and counts what it removed or replaced."""

    def __init__(
        self, headers: Iterable[str] = (), query_keys: Iterable[str] = (), key: bytes | None = None
    ) -> None:
        """Redact `headers` and `query_keys` in addition to what names and values mark as secrets.

        `key` has at most 64 bytes, the limit of BLAKE2b; without it, values are removed.
        """
        self.redacted = 0
        """Values removed or replaced."""
        self.places: Counter[str] = Counter()
        """The same by place: `header cookie`, `query key token`, `path: JWT`."""
        self.doubtful: Counter[str] = Counter()
        """Values that were kept although they look random, by place."""
        self._headers = {name.lower() for name in headers}
        self._keys = {name.lower() for name in query_keys}
        self._key = key
        self._actions: dict[str, int] = {}
        self._secret_keys: dict[str, bool] = {}
        self._harmless_keys: dict[str, bool] = {}
        self._kinds: dict[str, str] = {}

    def fields(self, fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return the header fields in their order, without their secrets."""
        kept: list[tuple[str, str]] = []
        actions = self._actions
        for field in fields:
            name, value = field
            action = actions.get(name, -1)
            if action < 0:
                action = self._action(name)
            if action == _LEAVE_OUT:
                continue
            if action == _URL:
                kept.append((name, self.target(value)))
                continue
            if action == _KEEP:
                kind = self._kind(value)
                if not kind or kind is _RANDOM:
                    kept.append(field)
                    if kind:
                        _add(self.doubtful, f"header {name.lower()}")
                    continue
                self._count(f"header {name.lower()}: {kind}")
            elif is_hashed(value):
                kept.append(field)
                continue
            else:
                self._count(f"header {name.lower()}")
            if self._key is not None:
                kept.append(
                    (name, self._cookies(value) if action == _COOKIE else self._hash(value))
                )
        return tuple(kept)

    def target(self, target: str) -> str:
        """Return a request target or URL without the secrets of its path, query and fragment."""
        if (
            len(target) <= _LONGEST_CACHED
            and not _NOTABLE.search(target)
            and self._has_harmless_keys(_NOT_KEYS.sub("", target))
        ):
            return target
        before = self.redacted
        location, hash_mark, fragment = target.partition("#")
        path, question_mark, query = location.partition("?")
        path = self._path(path)
        query = self._query(query) if question_mark else ""
        # The implicit grant of OAuth (RFC 6749 section 4.2.2) puts a token into the fragment.
        fragment = self._query(fragment) if hash_mark else ""
        if self.redacted == before:
            return target
        return path + (query and f"?{query}") + (fragment and f"#{fragment}")

    def targets(self, targets: Sequence[str]) -> list[str]:
        """Return what `target` returns for each of several targets without line breaks."""
        if not targets:
            return []
        text = "\n".join(targets)
        lines = zip(
            targets,
            _NOT_KEYS.sub("", text).split("\n"),
            text.encode("latin-1").translate(_KINDS).split(b"\n"),
            strict=True,
        )
        is_harmless, get = self._has_harmless_keys, self._harmless_keys.get
        return [
            target
            if _LONG_WORD not in kinds and _MARK not in kinds and (get(keys) or is_harmless(keys))
            else self.target(target)
            for target, keys, kinds in lines
        ]

    # --- names ---

    def _has_harmless_keys(self, keys: str) -> bool:
        """Return whether no key is secret, of a target without its path and values."""
        is_harmless = self._harmless_keys.get(keys)
        if is_harmless is None:
            is_harmless = not any(map(self._is_secret_key, keys.replace("?", "&").split("&")[1:]))
            _remember(self._harmless_keys, keys, is_harmless, len(keys))
        return is_harmless

    def _action(self, name: str) -> int:
        lower = name.lower()
        action = _KEEP
        if lower in _URLS:
            action = _URL
        elif lower in _LEFT_OUT:
            action = _LEAVE_OUT
        elif lower == "cookie":
            action = _COOKIE
        elif lower in self._headers or is_secret_name(name):
            action = _REDACT
        _remember(self._actions, name, action, len(name))
        return action

    def _is_secret_key(self, name: str) -> bool:
        is_secret = self._secret_keys.get(name)
        if is_secret is None:
            # Servers unescape names before they look at them. PHP and others read `token[]`,
            # `user[token]` and `user.token` as nested keys, so each part of a name is compared.
            plain = unquote_plus(name, errors="replace")
            parts = plain.lower().replace(".", "[").split("[")
            is_secret = is_secret_name(plain) or any(
                part.rstrip("]").strip() in self._keys for part in parts
            )
            _remember(self._secret_keys, name, is_secret, len(name))
        return is_secret

    # --- places ---

    def _path(self, path: str) -> str:
        authority_end = path.find("@") if "://" in path else -1
        if authority_end > 0:
            scheme, _, rest = path.partition("://")
            user, _, host = rest.partition("@")
            if "/" not in user:
                self._count("user of a URL")
                path = f"{scheme}://{host}"
        kind = self._kind(unquote(path))
        if kind is _RANDOM:
            _add(self.doubtful, "path")
        if ";" not in path and (not kind or kind is _RANDOM):
            return path
        return "/".join(map(self._segment, path.split("/")))

    def _segment(self, segment: str) -> str:
        """Return a segment of a path: it may be a secret, and so may its parameters."""
        name, *parameters = segment.split(";")
        kind = self._kind(unquote(name))
        if kind and kind is not _RANDOM:
            self._count(f"path: {kind}")
            name = SEGMENT if self._key is None else self._hash(name)
        kept = (self._pair("path parameter", parameter) for parameter in parameters)
        return ";".join((name, *(pair for pair in kept if pair is not None)))

    def _query(self, query: str) -> str:
        pieces = []
        for piece in query.split("&"):
            # Some servers read `;` as `&` (HTML 4.01 recommended it), others as part of the value.
            # Splitting at both finds the key in either case.
            pairs = [self._pair("query key", pair) for pair in piece.split(";")]
            kept = [pair for pair in pairs if pair is not None]
            if kept:
                pieces.append(";".join(kept))
        return "&".join(pieces)

    def _pair(self, place: str, pair: str) -> str | None:
        """Return a pair as it may be recorded; None if nothing of it may."""
        name, equals, value = pair.partition("=")
        if self._is_secret_key(name):
            if not value or is_hashed(value):
                return pair
            self._count(f"{place} {name}")
        else:
            kind = self._kind(unquote_plus(value or name))
            if not kind or kind is _RANDOM:
                if kind:
                    _add(self.doubtful, f"{place} {name}" if value else place)
                return pair
            # The text of a pair without a name is its value: it must not become a place.
            self._count(f"{place} {name}: {kind}" if value else f"{place}: {kind}")
            if not value:
                return None if self._key is None else self._hash(pair)
        return None if self._key is None else name + equals + self._hash(value)

    # --- values ---

    def _kind(self, value: str) -> str:
        """Return what kind of secret a value is by its form, _RANDOM for what may be one, or ""."""
        kind = self._kinds.get(value)
        if kind is None:
            kind = secret_kind(value) or ""
            if not kind and any(map(is_random, value.split("/"))):
                kind = _RANDOM
            _remember(self._kinds, value, kind, len(value))
        return kind

    def _count(self, place: str) -> None:
        self.redacted += 1
        _add(self.places, place)

    def _cookies(self, value: str) -> str:
        """Hash each cookie by itself: a session keeps its hash while other cookies change."""
        pairs = []
        for pair in value.split(";"):
            name, equals, secret = pair.strip().partition("=")
            pairs.append(name + equals + self._hash(secret) if equals else self._hash(name))
        return "; ".join(pairs)

    def _hash(self, value: str) -> str:
        assert self._key is not None
        data = value.encode("latin-1")
        digest = hashlib.blake2b(data, digest_size=_HASH_BYTES, key=self._key)
        return PREFIX + digest.hexdigest()


def _add(counter: Counter[str], place: str) -> None:
    is_new = place not in counter
    has_room = len(counter) < _MOST_NAMES and len(place) <= _LONGEST_CACHED
    counter[_OTHER if is_new and not has_room else place] += 1


def _remember(cache: dict[_Key, _Known], key: _Key, known: _Known, length: int) -> None:
    """Keep what is known of a key of this length, as far as the cache stays within its bytes."""
    if length <= _LONGEST_CACHED:
        if len(cache) >= _MOST_NAMES:
            cache.clear()
        cache[key] = known
