"""Who may read and change what through the admin port: people on this host, strangers, web pages.

Rights come from where the port is bound, from where the request comes, and from the token. A web
page needs a proof besides: any site that a person with access has open can send requests from that
person's browser. They carry an Origin or Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/),
and after DNS rebinding a name in Host where we expect an address. Only a page that we served to the
same origin knows the secret of this process, because no other origin can read it.

Invariant: the secret and an equal origin only take away that doubt. They give no right that the
same request without them would not have from a terminal.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Mapping

from mirror.addresses import TcpAddress

SECRET_HEADER = "X-Mirror-Page"
OPEN, WITH_TOKEN, CLOSED = "open", "token", "closed"
"""Whether the page may change something: at once, with the token, or never."""


class Trust:
    """The rules of one admin port; each method returns why a request is refused, or None."""

    def __init__(self, secret: str | None = None) -> None:
        self.address: TcpAddress | None = None
        """Where the port is bound; set before the first request."""
        self._allows_writes = False
        self._token: bytes | None = None
        self.secret = secret or secrets.token_urlsafe(24)
        """What the page proves with that we served it."""

    def allow(self, allows_writes: bool, token: bytes | None = None) -> None:
        """Say whether others than this host may change things and read URIs.

        `allows_writes` (`admin_writes`) lets all of them; the token lets those who send it.
        """
        self._allows_writes = allows_writes
        self._token = token

    def refusal_of_page(self, headers: Mapping[str, str]) -> str | None:
        """Judge a request for the page itself, which anyone may read who reaches the port."""
        return self._refusal_of_name(headers)

    def refusal_of_stream(self, headers: Mapping[str, str]) -> str | None:
        """Judge a request for the page's events; without the secret, any site could hold them."""
        if (why := self._refusal_of_name(headers)) is not None:
            return why
        return None if self._is_our_page(headers) else "only the page that / shows may read this"

    def refusal_of_document(self, headers: Mapping[str, str], remote: str) -> str | None:
        """Judge a request for hosts and paths of production, which no web page may read as such."""
        if not self._may_read_uris(headers, remote):
            return f"only this host may read this: {self._way()} to read it from others"
        return self._refusal_of_web_page(headers)

    def refusal_of_examples(self, headers: Mapping[str, str], remote: str) -> str | None:
        """Judge whether an accepted stream may have hosts and paths, too."""
        if self._may_read_uris(headers, remote):
            return None
        return "only this host may read hosts and paths, and who has the token of admin_token_file"

    def refusal_of_change(self, headers: Mapping[str, str], content_type: str) -> str | None:
        """Judge a request that changes something."""
        if not self._may_change(headers):
            if self._token is not None and "Authorization" in headers:
                return "this is not the token of admin_token_file"
            return f"admin {self.address} is not loopback: {self._way()} to change things here"
        if content_type != "application/json":
            return "expected Content-Type: application/json"
        if self._is_our_page(headers):
            return self._refusal_of_name(headers)
        return self._refusal_of_web_page(headers)

    def controls(self) -> str:
        """Return how the page may change something: OPEN, WITH_TOKEN or CLOSED."""
        if self._may_change({}):
            return OPEN
        return CLOSED if self._token is None else WITH_TOKEN

    def _may_change(self, headers: Mapping[str, str]) -> bool:
        assert self.address is not None
        is_open = self._allows_writes or is_loopback(self.address.host)
        return is_open or self._has_token(headers)

    def _may_read_uris(self, headers: Mapping[str, str], remote: str) -> bool:
        return self._allows_writes or is_loopback(remote) or self._has_token(headers)

    def _way(self) -> str:
        """Return what gives the right to somebody who has not got it."""
        if self._token is None:
            return "set admin_token_file or admin_writes"
        return "send the token of admin_token_file (--token-file of the commands)"

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        if self._token is None:
            return False
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _is_equal(given.strip(), self._token)

    def _is_our_page(self, headers: Mapping[str, str]) -> bool:
        """Return whether a page that we served sent this request to its own origin."""
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
        return (
            (origin is None or origin == f"http://{headers.get('Host')}")
            and (site is None or site == "same-origin")
            and _is_equal(headers.get(SECRET_HEADER, ""), self.secret.encode())
        )

    def _refusal_of_web_page(self, headers: Mapping[str, str]) -> str | None:
        if "Origin" in headers or "Sec-Fetch-Site" in headers:
            return "a web page may not do this"
        return self._refusal_of_name(headers)

    def _refusal_of_name(self, headers: Mapping[str, str]) -> str | None:
        """Refuse a name in Host other than ours: a site can let its own name lead here."""
        assert self.address is not None
        given = headers.get("Host", "")
        host = given.rpartition(":")[0] or given
        host = host.removeprefix("[").removesuffix("]")
        if host not in ("localhost", self.address.host) and not _is_ip(host):
            return "expected an address, not a name, in Host"
        return None


def is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _is_equal(given: str, secret: bytes) -> bool:
    """Compare in a time that does not depend on how much of the secret is right."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), secret)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
