"""The HTML report within its size: as much detail as a megabyte takes.

A page is handed around by mail and chat. With many components their charts are drawn coarser and
the arithmetic is left out, then the charts and the reasons of single amounts too, and the page says
so; numbers, constraints, warnings and assumptions always stay. Must never know how a page is laid
out.
"""

from estimator.model.projection import Projection
from estimator.report.charts.content import PageDetail
from estimator.report.content import document_of
from estimator.report.html import to_html

MOST_BYTES = 1_000_000


def page_of(projection: Projection, version: str) -> str:
    """Return the page with the most detail that fits, or else with the least."""
    page = ""
    for detail in PageDetail:
        page = to_html(document_of(projection, version, detail))
        if len(page.encode()) < MOST_BYTES:
            break
    return page
