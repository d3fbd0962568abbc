"""Whether two redirects of the same request lead to different places.

An application may write the same place as a path, as a path beside the request's own, or as a whole
URL, with or without the default port (RFC 9110, section 10.2.2). A client goes to the same place
with each of them, so none of them is a difference. A relative Location keeps the client's scheme,
which nobody here knows, so it agrees with http and with https.
"""

from urllib.parse import urljoin, urlsplit

MOST_LOCATION_BYTES = 512
"""A longer Location is cut; its beginning says where it leads."""
_DEFAULT_PORTS = ((":80", ("", "http")), (":443", ("", "https")))


def lead_apart(ours: str, theirs: str, base: str) -> bool:
    """Return whether two Locations without their queries lead apart.

    `base` is what a relative one begins at: `//HOST/PATH` of the request. A Location that is empty
    is unknown, and no difference.
    """
    if ours == theirs or not ours or not theirs:
        return False
    scheme, *place = _place(ours, base)
    other_scheme, *other_place = _place(theirs, base)
    return place != other_place or (scheme != other_scheme and bool(scheme) and bool(other_scheme))


def _place(location: str, base: str) -> tuple[str, str, str]:
    """Return scheme, authority and path; the scheme is empty where the client keeps its own."""
    try:
        parts = urlsplit(urljoin(base, location))
    except ValueError:
        return "", "", location
    authority = parts.netloc.lower()
    for port, schemes in _DEFAULT_PORTS:
        if parts.scheme in schemes:
            authority = authority.removesuffix(port)
    return parts.scheme, authority, parts.path or "/"
