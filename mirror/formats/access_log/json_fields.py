"""The keys of JSON logs of other kinds, as the user names them: `--fields time=ts,method=verb`."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

ABSENT = "-"
"""What nginx writes for a variable without a value, unless it writes nothing."""

BEGIN_KEYS = ("start_time", "StartUTC", "StartLocal")
"""The known keys of the instant at which a request began."""

_MEANINGS = {
    # The meaning, the key that it becomes, and what a number of it is multiplied by.
    "time": ("msec", 0.0),
    "begin": ("start_time", 0.0),
    "request": ("request", 0.0),
    "method": ("request_method", 0.0),
    "target": ("request_uri", 0.0),
    "host": ("http_host", 0.0),
    "status": ("status", 0.0),
    "id": ("request_id", 0.0),
    "user-agent": ("http_user_agent", 0.0),
    "referer": ("http_referer", 0.0),
    "duration": ("request_time", 1.0),
    "duration_ms": ("request_time", 1e-3),
    "duration_us": ("request_time", 1e-6),
    "duration_ns": ("request_time", 1e-9),
}


class Fields:
    """The keys of a log by meaning, from the words of `--fields time=ts,method=verb`."""

    def __init__(self, words: str) -> None:
        """Raise ValueError, which names the word that is not understood."""
        self._keys: dict[str, tuple[str, ...]] = {}
        for word in words.split(","):
            meaning, equals, key = word.partition("=")
            if meaning not in _MEANINGS or not equals or not key:
                known = ", ".join(_MEANINGS)
                raise ValueError(f"expected MEANING=KEY with a meaning of {known}, got {word!r}")
            self._keys[meaning] = (key, *key.split("."))
        self.names_duration = any(name.startswith("duration") for name in self._keys)

    def applied(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object with the known keys in place of its own."""
        found = dict(document)
        if "time" in self._keys:
            for key in BEGIN_KEYS:
                found.pop(key, None)
        for meaning, (whole, *path) in self._keys.items():
            value: Any = document.get(whole)
            if whole not in document:
                value = document
                for part in path:
                    value = value.get(part) if isinstance(value, dict) else None
            key, factor = _MEANINGS[meaning]
            if factor and factor != 1 and value not in (None, "", ABSENT):
                with suppress(TypeError, ValueError):
                    value = float(value) * factor
            found[key] = value
        return found
