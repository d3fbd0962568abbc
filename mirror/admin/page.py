"""The live page: one HTML document, and the policy that keeps it from asking anyone else.

The document is the same for everyone, except for the secret and for what its reader may change. All
that comes from outside arrives later as events, and the script writes it as text only; the policy
(https://www.w3.org/TR/CSP3/) allows this script and this style by their hashes, and nothing else.
This module does not know who asks.
"""

import base64
import hashlib
import html
from functools import cache
from importlib import resources

from mirror.admin.trust import SECRET_HEADER

_TEMPLATES = "templates"


def page(secret: str, controls: str, instance: str) -> bytes:
    """Return the document for a reader whose `controls` (trust.py) are these."""
    style, script = _texts()
    text = _read("page.html").replace("[[style]]", style).replace("[[script]]", script)
    # The instance comes last, because a name that looks like a placeholder must stay a name.
    for name, value in (
        ("secret", secret),
        ("header", SECRET_HEADER),
        ("controls", controls),
        ("instance", instance),
    ):
        text = text.replace(f"[[{name}]]", html.escape(value))
    return text.encode()


@cache
def headers_of_page() -> dict[str, str]:
    """Return the fields of the answer that has the document."""
    style, script = map(_hash, _texts())
    policy = (
        "default-src 'none'",
        f"script-src '{script}'",
        f"style-src '{style}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(policy),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


@cache
def _texts() -> tuple[str, str]:
    """Return the style and the script."""
    return _read("page.css"), "".join(map(_read, ("draw.js", "page.js")))


def _read(name: str) -> str:
    return resources.files("mirror.admin").joinpath(_TEMPLATES, name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
