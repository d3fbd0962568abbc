"""The document as one self-contained HTML page that opens offline and prints.

Style, script, charts and their data are in the file. A Content-Security-Policy names the script and
the style by hash, allows nothing else to run and fetches nothing. Names come from users' files:
Jinja2 escapes all of them (autoescape) and shows the characters that nobody would see, the charts
escape theirs, and the script sets text, never markup. Each chart is drawn twice, for a desk and for
a phone, and the style shows one. The same document always gives the same bytes.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from estimator.report.blocks import Block, Chart, Document
from estimator.report.charts.content import narrowed
from estimator.report.charts.svg import (
    NARROW,
    SMALL,
    WIDE,
    CurveChart,
    Drawing,
    Size,
    TimeChart,
    draw_curve,
    draw_time,
)
from mirror.formats.foreign_text import visible


def to_html(document: Document, is_small: bool = False) -> str:
    """Return the page. If it is to be small, each chart is drawn once, in a size for both."""
    environment = Environment(
        loader=PackageLoader("estimator.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    loader = environment.loader
    assert loader is not None
    style = loader.get_source(environment, "report.css")[0]
    script = loader.get_source(environment, "report.js")[0]
    return environment.get_template("report.html.j2").render(
        document=document,
        kind=_kind,
        charts=_Charts(is_small),
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


@dataclass(slots=True)
class _Charts:
    """Draws the charts of the page and numbers them."""

    is_small: bool
    drawn: int = 0

    def draw(self, block: Chart) -> tuple[str, Markup, dict[str, Any]]:
        """Return the chart's id, unique in the page, its drawings, and the data of both."""
        self.drawn += 1
        sizes = (SMALL,) if self.is_small else (WIDE, NARROW)
        drawings = [_drawn(block.chart, size) for size in sizes]
        svg = Markup("").join(drawing.svg for drawing in drawings)
        return f"chart-{self.drawn}", svg, drawings[0].data


def _drawn(chart: TimeChart | CurveChart, size: Size) -> Drawing:
    if isinstance(chart, CurveChart):
        return draw_curve(chart, size)
    return draw_time(chart if size is not NARROW else narrowed(chart), size)


def _shown(value: Any) -> Any:
    """Return text with its control characters shown; lines of arithmetic stay lines."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(visible(line) for line in value.split("\n"))


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
