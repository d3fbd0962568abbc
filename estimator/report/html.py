"""The document as one self-contained HTML page that opens offline and prints.

Style, script, charts and their data are in the file. A Content-Security-Policy names the script and
the style by hash, allows nothing else to run and fetches nothing. Names come from users' files:
Jinja2 escapes all of them (autoescape), the charts escape theirs, and the script sets text, never
markup. The same document always gives the same bytes.
"""

import base64
import hashlib
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from estimator.report.blocks import Block, Chart, Document
from estimator.report.charts.svg import CurveChart, Drawing, draw_curve, draw_time


def to_html(document: Document) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("estimator.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
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
        charts=_Charts(),
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


@dataclass(slots=True)
class _Charts:
    """Draws the charts of the page and numbers them."""

    drawn: int = 0

    def draw(self, block: Chart) -> tuple[str, Drawing]:
        """Return the chart's id, unique in the page, and its drawing."""
        self.drawn += 1
        chart = block.chart
        drawing = draw_curve(chart) if isinstance(chart, CurveChart) else draw_time(chart)
        return f"chart-{self.drawn}", drawing


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
