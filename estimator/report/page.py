"""The HTML report with as much detail as fits into a megabyte.

People send a page by mail and chat. With many components the page first has coarser charts and no
arithmetic, then also no charts of components and no reasons of single amounts, and it says so.
Numbers, constraints, warnings and assumptions always stay. This module does not know the layout.
"""

from collections.abc import Mapping

from estimator.model.projection import Projection
from estimator.report.charts.content import PageDetail
from estimator.report.content import document_of
from estimator.report.html import to_html

MOST_BYTES = 1_000_000


def page_of(projection: Projection, version: str, today: Mapping[str, str]) -> str:
    """Return the page with the most detail that fits; with the least detail if none fits.

    `today` has the replicas of components whose manifests are known.
    """
    page = ""
    for detail in PageDetail:
        page = to_html(
            document_of(projection, version, detail, today), detail is not PageDetail.FULL
        )
        if len(page.encode()) < MOST_BYTES:
            break
    return page
