"""Renders the report as one HTML page that opens offline, in light, dark and print.

The style is in the file, and a Content-Security-Policy names it by its hash; there is no script,
and nothing else may be fetched. Names and paths come from clients: Jinja2 escapes all of them, and
shows the characters that nobody would see. On a phone, each row of a table becomes a card. The same
report always gives the same bytes.
"""

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mirror.comparison.report.blocks import TONES, Content
from mirror.formats.foreign_text import visible


def as_html(content: Content) -> str:
    """Return the whole page."""
    environment = _environment()
    assert environment.loader is not None
    style = environment.loader.get_source(environment, "report.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        content=content,
        tone=TONES[content.level],
        style=Markup(style),
        style_hash=f"sha256-{digest}",
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mirror.comparison.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)
