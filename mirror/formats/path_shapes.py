"""The shape of a request target: what many targets that differ in identifiers have in common.

A count of every target cannot be bounded, because clients choose targets. A count of shapes nearly
can: segments that are a number, a UUID or a long hexadecimal number become one placeholder each,
and the query becomes its keys. `/item/17?page=2` and `/item/18?page=3` have the shape
`/item/{number}?page`.

Invariant: the shape depends on the target alone, so that counts of several processes, hosts and
days can be added up by it. Segments of other kinds stay as they are: `/v1` and `/v2` are different.
"""

import re
from collections.abc import Collection

NUMBER = "{number}"
UUID = "{uuid}"
HEX = "{hex}"

# RFC 9562 section 4 (UUID). A hexadecimal number without a digit is more probably a word.
_IDENTIFIER = re.compile(
    r"(?<=/)(?:(\d+)|([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"
    r"|(?=[A-Fa-f]*\d)[0-9A-Fa-f]{8,})(?=[/;]|$)"
)
_NUMBER = re.compile(r"\d+")


def shape_of(target: str, kept: Collection[str] = ()) -> str:
    """Return the shape of a target in origin form.

    Parameters of the query whose names are in `kept` stay with their values. The order of
    parameters does not count, nor how often one of the others comes.
    """
    path, mark, query = target.partition("?")
    shape = _IDENTIFIER.sub(_placeholder, path)
    if not mark:
        return shape
    return f"{shape}?{'&'.join(sorted({_key(pair, kept) for pair in query.split('&')}))}"


def _placeholder(match: re.Match[str]) -> str:
    if match[1]:
        return NUMBER
    return UUID if match[2] else HEX


def _key(pair: str, kept: Collection[str]) -> str:
    name = pair.partition("=")[0]
    if name in kept:
        return pair
    # A key that is a number is what clients write to circumvent a cache: each is different.
    return NUMBER if _NUMBER.fullmatch(name) else name
