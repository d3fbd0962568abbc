"""Checks the page as text, and as people see it in a real Chromium."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from mirror.comparison.report.html import as_html
from mirror.demo.processes import find_program
from mirror.formats.comparison import Comparison
from tests.mirror.comparison.report.test_content import content
from tests.mirror.comparison.report.test_judgement import pairs
from tests.mirror.comparison.report.test_parts import document, example

CHROMIUM = find_program("chromium")
HOSTILE = "/<script>alert(1)</script>\u202e\x1b[31m"


def page_of(*documents: Comparison) -> str:
    return as_html(content(*documents, most_rows=500))


def unsafe() -> Comparison:
    return document(
        pairs(4000, errors=50), pairs(40, "/rare"), examples=[example(path=HOSTILE, count=50)]
    )


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_points_outside_the_file() -> None:
    page = page_of(unsafe())
    for tag, attributes in Elements(page).tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes and not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#"), tag
    assert "url(" not in page and "@import" not in page


def test_the_policy_allows_this_style_only() -> None:
    page = page_of(unsafe())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy


def test_what_clients_wrote_is_shown_as_text() -> None:
    page = page_of(unsafe())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\x1b[31m" in page
    assert "\u202e" not in page and "\x1b" not in page


def test_every_section_can_be_reached() -> None:
    tags = Elements(page_of(unsafe())).tags
    targets = [attributes["href"] for tag, attributes in tags if tag == "a"]
    ids = [attributes.get("id") for tag, attributes in tags if tag == "section"]
    assert targets == [f"#{key}" for key in ids] and len(ids) == 6


@pytest.mark.parametrize(
    ("made", "tone"),
    [
        *((document(pairs(3000)), "ok"), (document(pairs(9)), "warn")),
        (document(pairs(9, errors=3)), "bad"),
    ],
)
def test_the_answer_has_the_tone_of_its_verdict(made: Comparison, tone: str) -> None:
    assert f'<header class="answer {tone}">' in page_of(made)


def colours_of(style: str) -> list[dict[str, str]]:
    """Return the colours by name: those of the light scheme and those of the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", style, re.S)
    return [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in blocks[:2]]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_can_be_read_in_both_schemes(scheme: int) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page_of(unsafe()), re.S)
    colours = colours_of(style)[scheme]
    for ink in ("text", "muted", "accent", "ok", "warn", "bad"):
        for ground in ("page", "panel"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for tone in ("ok", "warn", "bad"):
        for ink in (tone, "text"):
            assert contrast(colours[ink], colours[f"{tone}-page"]) >= 4.5, (ink, tone)


# --- in Chromium ---


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
def test_it_opens_from_the_file_alone_on_a_desk_and_on_a_phone(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "compare.html"
    path.write_text(page_of(unsafe()), encoding="utf-8")
    page = browser.new_page(color_scheme="light", viewport={"width": 1200, "height": 900})
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.locator("h1").bounding_box() is not None
    assert page.locator("h1").inner_text().startswith("not safe to switch: 1.24 % new errors")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert page.locator("#matrix thead").bounding_box() is not None
    assert len(page.screenshot()) > 20_000
    page.get_by_role("link", name="New 404s by path").click()
    assert page.url.endswith("#missing") and page.locator("#missing").is_visible()

    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == "rgb(18, 23, 28)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    # The rows are cards, and each value has its name beside it.
    label = "getComputedStyle(document.querySelector('#matrix td'), '::before').content"
    assert page.evaluate(label) == '"production"'
    assert (complaints, {url.partition("#")[0] for url in requests}) == ([], {path.as_uri()})
    page.close()
