"""Checks the page as text, and as people see it in a real Chromium."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from estimator.model.projection import Projection
from estimator.report.charts.svg import WIDE
from estimator.report.content import document_of
from estimator.report.html import to_html
from mirror.demo.processes import find_program
from tests.estimator.report.conftest import curve_plot

pytestmark = pytest.mark.one_python

CHROMIUM = find_program("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: apt-get install chromium"
)
TEMPLATES = Path(__file__).parents[3] / "estimator" / "report" / "templates"


def page_of(projection: Projection) -> str:
    return to_html(document_of(projection, "1.2.3"))


class Elements(HTMLParser):
    """Collects all tags with their attributes, and the text outside of script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.words.append(data)


def test_same_projection_same_bytes(complete: Projection) -> None:
    assert page_of(complete) == page_of(complete)


def test_nothing_points_outside_the_file(complete: Projection) -> None:
    for tag, attributes in Elements(page_of(complete)).tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#"), tag
    assert "url(" not in page_of(complete) and "@import" not in page_of(complete)


def test_the_policy_allows_this_script_and_style_only(complete: Projection) -> None:
    page = page_of(complete)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src &#39;none&#39;") or policy.startswith(
        "default-src 'none'"
    )
    for source in (
        re.findall(r"<style>(.*?)</style>", page, re.S)[0],
        re.findall(r"<script>(.*?)</script>", page, re.S)[0],
    ):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy
    assert "unsafe" not in policy


def test_hostile_names_stay_text(complete: Projection) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\"'"
    component = replace(complete.components[0], name=hostile, routes=(hostile,))
    series = replace(complete.series, source=hostile, routes=(hostile,))
    page = page_of(replace(complete, components=(component,), series=series, warnings=(hostile,)))
    elements = Elements(page)
    assert "img" not in {tag for tag, _ in elements.tags}
    assert not [a for _, attributes in elements.tags for a in attributes if a.startswith("on")]
    # There is one script, and one block of data for each of the five charts.
    assert sum(tag == "script" for tag, _ in elements.tags) == 6
    assert hostile in "".join(elements.words)


def test_every_word_of_the_document_is_on_the_page(complete: Projection) -> None:
    words = " ".join("".join(Elements(page_of(complete)).words).split())
    for part in (
        *("2 replicas (8 to 10; scaled linearly)", "cpu of app", "841 USD per month"),
        *("p99 is not stated in row 2", "target utilisation", "memory leaks (api, gateway)"),
        *("R = ceil(3,283.8 x 1.1 / 420)", "kagami estimate 1.2.3"),
    ):
        assert part in words


def test_what_decided_is_said_in_words(complete: Projection) -> None:
    page = page_of(complete)
    assert page.count(">decides</span>") == 2
    assert 'cpu of app <span class="tag ok">decides</span>' in page


def test_ids_are_unique_and_links_arrive(complete: Projection) -> None:
    tags = Elements(page_of(complete)).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {(a["href"] or "")[1:] for tag, a in tags if tag == "a" and "href" in a}
    assert links <= set(ids)


def luminance(colour: str) -> float:
    """Return the relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, other: str) -> float:
    lighter, darker = sorted((luminance(colour), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_colours_can_be_told_apart(scheme: int) -> None:
    style = (TEMPLATES / "report.css").read_text()
    colours = dict(
        re.findall(r"--([\w-]+): (#\w{6})", re.findall(r":root \{(.*?)\}", style, re.S)[scheme])
    )
    for text in ("text", "muted", "accent", "ok", "warn", "bad"):
        for ground in ("page", "panel"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for name in ("ok", "warn", "bad"):
        assert contrast(colours[name], colours[f"{name}-page"]) >= 4.5
        assert contrast(colours["text"], colours[f"{name}-page"]) >= 4.5
    for line in range(1, 7):
        # Graphics need a contrast of 3 to 1 (WCAG 2.2, 1.4.11).
        assert contrast(colours[f"line-{line}"], colours["page"]) >= 3
        assert contrast(colours[f"line-{line}"], colours["beyond"]) >= 3


# --- in Chromium ---


class Opened:
    """An open page with its console messages and its requests."""

    def __init__(self, browser: Browser, path: Path, scheme: str) -> None:
        self.page: Page = browser.new_page(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": 1200, "height": 900},
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture
def report(complete: Projection, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page_of(complete), encoding="utf-8")
    return path


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_quietly_from_the_file_alone(browser: Browser, report: Path, scheme: str) -> None:
    opened = Opened(browser, report, scheme)
    assert opened.complaints == []
    assert opened.requests == [report.as_uri()]
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 28)"}[scheme]
    assert len(opened.page.screenshot()) > 20_000
    # No element is wider than the window.
    width = opened.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1200
    opened.page.close()


def data_of(page: Page) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(page.locator("#chart-1").text_content() or "")
    return data


@needs_chromium
def test_hovering_tells_the_value_that_is_drawn(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, "light").page
    data = data_of(page)
    values, left, right = data["lines"][0]["value"], WIDE.left, WIDE.right
    bin_of_peak = values.index(max(value for value in values if value is not None))
    page.locator(".plot svg").first.scroll_into_view_if_needed()
    box = page.locator(".plot svg").first.bounding_box()
    assert box is not None
    share = (bin_of_peak + 0.5) / len(values)
    x = box["x"] + (left + share * (right - left)) / 960 * box["width"]
    # This point is below the circle of the peak, which has its own text.
    page.mouse.move(x, box["y"] + box["height"] * 0.7)
    tip = page.locator(".plot .tip").first.inner_text()
    assert "2023-11-15 19:03:20 to 19:08:20 UTC" in tip
    assert "highest: 2,345.6 rps" in tip
    assert "mean: 1,876.5 rps" in tip
    page.mouse.move(2, 2)
    assert page.locator(".plot .tip").first.is_hidden()
    page.close()


@needs_chromium
def test_clicking_a_row_tells_its_verdict(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, "light").page
    plot = page.locator(".plot").nth(1)
    plot.locator(".wide .mark.unused .dot").click()
    words = plot.locator(".tip").inner_text()
    assert words == (
        "row 4: 750 rps per replica, 195 millicores; saturated: achieved 750 of 900 rps"
    )
    page.close()


@needs_chromium
def test_a_hostile_name_under_the_pointer_stays_text(
    browser: Browser, complete: Projection, tmp_path: Path
) -> None:
    hostile = "<img src=x onerror=document.title='run'>"
    plot = replace(curve_plot("app"), quantity=hostile)
    component = replace(complete.components[0], curves=(plot,))
    path = tmp_path / "report.html"
    path.write_text(page_of(replace(complete, components=(component,))), encoding="utf-8")
    opened = Opened(browser, path, "light")
    shown = opened.page.locator(".plot").nth(1)
    shown.locator("svg.wide").hover()
    assert hostile in shown.locator(".tip").inner_text()
    assert shown.locator(".tip *").count() == 0
    assert (opened.page.title(), opened.complaints) == ("Capacity projection", [])
    opened.page.close()


@needs_chromium
def test_arrow_keys_read_a_chart(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, "light").page
    reader = page.locator(".reader").first
    reader.focus()
    *_, before, last = data_of(page)["lines"][0]["value"]
    page.keyboard.press("End")
    assert f"highest: {last:.1f} rps" in page.locator(".plot .tip").first.inner_text()
    page.keyboard.press("ArrowLeft")
    assert f"highest: {before:.1f} rps" in (reader.get_attribute("aria-valuetext") or "")
    page.keyboard.press("Escape")
    assert page.locator(".plot .tip").first.is_hidden()
    page.close()


@needs_chromium
def test_every_chart_answers(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report, "dark")
    for index in range(opened.page.locator(".reader").count()):
        opened.page.locator(".reader").nth(index).focus()
        assert opened.page.locator(".plot .tip").nth(index).inner_text().count("\n") >= 1
    assert opened.complaints == []
    opened.page.close()


@needs_chromium
def test_a_narrow_window_scrolls_tables_not_the_page(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, "light").page
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


@needs_chromium
def test_paper_shows_what_was_folded(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, "dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".sum").first.is_visible()
    assert page.locator(".as-table").first.is_hidden()
    # The heading of a section says what it is; a table has only the line that opens it.
    assert page.get_by_text("During failures and updates").first.is_visible()
    assert page.get_by_text("Show: Assumed").is_hidden()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()


@needs_chromium
def test_a_phone_gets_charts_and_tables_for_its_width(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, "light").page
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".plot svg.narrow").first.is_visible()
    assert page.locator(".plot svg.wide").first.is_hidden()
    # No label of an axis is smaller than ten pixels.
    height = page.locator(".plot svg.narrow .tick text").first.bounding_box()
    assert height is not None and height["height"] >= 10
    # The reason stands below its value, over the whole width.
    value, why = page.locator("td.n").first, page.locator("td.why").first
    row = why.locator("xpath=..").bounding_box()
    below, of_row = why.bounding_box(), why.locator("xpath=../td[1]").bounding_box()
    assert value.evaluate("cell => getComputedStyle(cell, '::before').content") == '"peak rps"'
    assert row is not None and below is not None and of_row is not None
    assert below["y"] >= of_row["y"] + of_row["height"] and below["width"] > 0.8 * row["width"]
    page.locator(".reader").first.focus()
    assert page.locator(".plot .tip").first.is_visible()
    assert page.locator("svg.narrow .cursor").first.get_attribute("visibility") == "visible"
    page.close()


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, report: Path, width: int) -> None:
    page = Opened(browser, report, "light").page
    page.set_viewport_size({"width": width, "height": 844})
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wider = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    assert page.evaluate(f"{wider}.length") == 0
    page.close()


@needs_chromium
def test_the_contents_stay_and_open_what_is_folded(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, "light").page
    page.emulate_media(reduced_motion="reduce")
    folded = page.locator("#assumed > details")
    assert not folded.evaluate("section => section.open")
    page.locator("nav a[href='#assumed']").click()
    page.wait_for_function("document.querySelector('#assumed > details').open")
    place = page.locator("nav").bounding_box()
    assert place is not None and abs(place["y"]) < 2
    page.close()


def test_the_facts_are_on_the_page(complete: Projection) -> None:
    assert "1,100 rps over all routes at 2023-11-14 22:13:27 UTC" in page_of(complete)


def test_a_slider_has_a_visible_label(complete: Projection) -> None:
    page = page_of(complete)
    assert page.count('<label class="read">Read values <input') == page.count("<input") > 0


def test_a_small_page_draws_each_chart_once(complete: Projection) -> None:
    page = to_html(document_of(complete, "1"), is_small=True)
    assert page.count("<svg viewBox") < page_of(complete).count("<svg viewBox")
    assert 'class="both"' in page and 'class="wide"' not in page
