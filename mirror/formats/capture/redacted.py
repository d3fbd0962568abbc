"""What redaction leaves of a request in a capture: hashes, placeholders, and missing names.

With a key, a value became a hash, which says that there was a value and not which. Without a key,
the header or parameter is gone, as if it had never been there; a segment of a path that was a
secret is the word `redacted` then. So a reader of a capture does not know every value, nor whether
a secret header was absent.

mirror/core/redaction removes the values; this module is what its readers know about that.
"""

import re

from mirror.formats.capture.secret_names import is_secret_name

PREFIX = "redacted-"
SEGMENT = "redacted"

_HASHED = re.compile(rf"(?:(?:[^=;]*=)?{PREFIX}[0-9a-f]{{24}}(?:; |$))+")


def is_hashed(value: str) -> bool:
    """Return whether redaction with a key has made this value, or these cookies."""
    return _HASHED.fullmatch(value) is not None


def may_be_missing(name: str) -> bool:
    """Return whether redaction without a key removes a header or parameter of this name."""
    return name.lower() == "cookie" or is_secret_name(name)


def has_redacted_segment(path: str) -> bool:
    """Return whether a segment of the path is what redaction has made of a secret."""
    return SEGMENT in path and any(
        name == SEGMENT or is_hashed(name)
        for name in (segment.partition(";")[0] for segment in path.split("/"))
    )
