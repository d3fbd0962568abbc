"""What a request gains by passing through us as a proxy, and how one that comes back is known.

References: RFC 9110 section 7.6.3 (Via), RFC 5842 section 7.2 (508 Loop Detected).
"""

from mirror.core.http1 import CRLF


class Hop:
    """Us as one hop between the client and the primary, in mode inline."""

    __slots__ = ("forwarded_for", "pseudonym", "via")

    def __init__(self, pseudonym: bytes, forwarded_for: bytes | None = None) -> None:
        """`forwarded_for` is the client address to append to X-Forwarded-For; None passes that
        field on unchanged."""
        self.pseudonym = pseudonym
        """The name of this instance in Via."""
        self.forwarded_for = forwarded_for
        self.via = (b"Via: 1.0 %b\r\n" % pseudonym, b"Via: 1.1 %b\r\n" % pseudonym)
        """By minor version: Via names the version of the received message."""

    def with_address(self, forwarded_for: bytes) -> "Hop":
        """Return this hop for a client with that address."""
        return Hop(self.pseudonym, forwarded_for)

    def has_seen(self, end_to_end: bytes) -> bool:
        """Say whether a Via field among these head lines names this instance.

        Such a request has passed here before: it goes in a circle.
        """
        for line in end_to_end.split(CRLF):
            name, _, value = line.partition(b":")
            if name.lower() == b"via" and any(
                self.pseudonym in member.split() for member in value.split(b",")
            ):
                return True
        return False

    def extend_forwarded(self, end_to_end: bytes) -> bytes:
        """Append the client address as nginx's $proxy_add_x_forwarded_for does.

        Several fields become one, in order, so the nearest address is last.
        """
        assert self.forwarded_for is not None
        chain, kept = [], []
        for line in end_to_end.split(CRLF)[:-1]:
            name, _, value = line.partition(b":")
            if name.lower() == b"x-forwarded-for":
                chain.append(value.strip())
            else:
                kept.append(line + CRLF)
        kept.append(b"X-Forwarded-For: %b\r\n" % b", ".join((*chain, self.forwarded_for)))
        return b"".join(kept)
