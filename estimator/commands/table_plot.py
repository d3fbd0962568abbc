"""`estimate table plot`: the load curves in one self-contained SVG or HTML file.

The charts are those of the report; this module puts them on a page, or into one picture.
"""

import textwrap
from importlib.resources import files
from pathlib import Path

import click
from markupsafe import Markup

from estimator.commands.exits import endings
from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.migration.curves import curves_of, plot_of
from estimator.report.blocks import Chart, Grid
from estimator.report.charts.content import curve_chart
from estimator.report.charts.svg import TALL, WIDE, CurveChart, draw_curve
from estimator.table.files import read_table
from estimator.text_files import write_whole

EPILOG = """\b
Examples:
  estimate table plot table.yaml -o curves.html
  estimate table plot table.yaml -o curves.svg

\b
Exit codes:
  0  written
  2  bad input: every problem is listed on stderr
"""

_CAPTION = 66
"""Height of a title and two lines above a chart in a picture."""
_LINE_CHARACTERS = 130


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="An .html or .svg file."
)
def plot(file: Path, output: Path) -> None:
    """Draw the load curve of every container with its rows, their verdicts and the range.

    The file refers to no other file, and follows the light or dark theme of the reader's system.
    """
    with endings():
        if output.suffix.lower() not in (".html", ".svg"):
            rule = f"expected a name that ends in .html or .svg, got {output.name!r}"
            raise InputError([Problem("--output", rule)])
        table = read_table(file)
        charts = [
            curve_chart(plot_of(curve), component.name)
            for component in table.components
            for curve in curves_of(component).values()
        ]
        if not charts:
            advice = f"`estimate table check {file}` says why"
            raise Refused([Refusal(str(file), "has no row that can be used", advice)])
        make = _page if output.suffix.lower() == ".html" else _picture
        write_whole(output, str(make(charts, file.name)))


def _page(charts: list[Chart], title: str) -> Markup:
    return Markup(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>{style}</style></head><body><h1>{title}</h1>{figures}</body></html>\n"
    ).format(
        title=f"Load curves of {title}",
        # The style is our own file and contains no name of a user.
        style=Markup(_style()),
        figures=Markup("").join(_figure(chart) for chart in charts),
    )


def _figure(chart: Chart) -> Markup:
    figure = Markup(
        "<figure><figcaption>{}<span>{}</span></figcaption><div class=plot>{}</div></figure>"
    ).format(chart.chart.title, chart.caption, _svg(chart))
    return figure if chart.table is None else figure + _table(chart.table)


def _table(grid: Grid) -> Markup:
    head = Markup("").join(Markup("<th>{}</th>").format(column.title) for column in grid.columns)
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(str(cell)) for cell in row)
        )
        for row in grid.rows
    )
    return Markup(
        "<div class=scroll><table><caption>{}</caption><thead><tr>{}</tr></thead>"
        "<tbody>{}</tbody></table></div>"
    ).format(grid.title, head, rows)


def _picture(charts: list[Chart], title: str) -> Markup:
    """Return one SVG with the charts below each other, each with its caption."""
    step = TALL + _CAPTION
    parts = []
    for number, chart in enumerate(charts):
        words = [
            Markup('<text class="{}" x="12" y="{}">{}</text>').format(css, number * step + y, line)
            for css, y, line in (
                ("mark-label", 20, chart.chart.title),
                *(("unit", 38 + 16 * k, line) for k, line in enumerate(_lines(chart.caption))),
            )
        ]
        drawn = Markup('<svg x="0" y="{}" width="{}" height="{}">{}</svg>').format(
            number * step + _CAPTION, WIDE.width, TALL, _svg(chart)
        )
        parts += [*words, drawn]
    height = len(charts) * step
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        ' height="{height}"><title>{title}</title><style>{style}</style>'
        '<rect width="{width}" height="{height}" style="fill:var(--page)"/>{parts}</svg>\n'
    ).format(
        width=WIDE.width,
        height=height,
        title=f"Load curves of {title}",
        style=Markup(_style()),
        parts=Markup("").join(parts),
    )


def _lines(caption: str) -> list[str]:
    return textwrap.wrap(caption, _LINE_CHARACTERS, max_lines=2)


def _svg(chart: Chart) -> Markup:
    assert isinstance(chart.chart, CurveChart)
    return draw_curve(chart.chart).svg


def _style() -> str:
    return (files("estimator.report") / "templates" / "report.css").read_text(encoding="utf-8")
