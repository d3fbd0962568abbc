"""Checks the live page as people see and use it, in a real Chromium."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from mirror.addresses import TcpAddress
from mirror.admin.live import Live, Sources
from mirror.admin.server import Admin, Answers
from mirror.core.ledger import COMPARED, COMPARED_CLASSES, Counts, Settled
from mirror.demo.processes import Processes, find_program, free_ports
from mirror.demo.sidecar import start_sidecar
from mirror.formats.comparison import Comparison, Example
from tests.mirror.admin.test_live import NOW, SHOWN, example
from tests.mirror.admin.test_verdict import STATUS

CHROMIUM = find_program("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: apt-get install chromium"
)
pytestmark = [needs_chromium, pytest.mark.one_python]

HOSTILE = "/<script>document.title='run'</script><img src=x onerror=document.title='run'>"
LOST: Counts = {
    (COMPARED, HOSTILE, "route_miss"): 40,
    (COMPARED, "/", "same"): 900,
    (COMPARED_CLASSES, HOSTILE, "2xx>4xx"): 40,
    (COMPARED_CLASSES, "/", "2xx>2xx"): 900,
}


class Opened:
    """An open page with its console messages and its requests."""

    def __init__(self, browser: Browser, url: str, scheme: str = "light", width: int = 1280):
        self.page: Page = browser.new_page(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 844},
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("body.is-live")


def lost_hour() -> Live:
    """Return an hour in which a route with a hostile name is lost, and examples of it."""

    def comparison() -> Comparison:
        examples: list[Example] = [example(HOSTILE)]
        return Comparison(
            **{"format": "", "version": 1, "instance": "a", "mode": "sink", "since_s": 1},
            **{"until_s": 2, "waiting": 0, "routes": [], "examples": examples, "log": None},
            examples_not_kept=0,
        )

    live = Live(Sources(lambda: STATUS | SHOWN, dict, lambda: (), comparison))
    for second in range(NOW, NOW + 400):
        live.add(Settled(second, LOST, {"/": 900, HOSTILE: 40}, {"/": 900}, False, True))
    return live


@contextmanager
def served(live: Live, port: int, token: bytes | None = None) -> Iterator[str]:
    """Serve the page of `live` and publish its events several times a second; yield its URL.

    With a token the port is bound to more than loopback.
    """
    started, ended = Event(), asyncio.Event()

    async def serve() -> None:
        answers: tuple[Any, ...] = (lambda: (True, ""), lambda: STATUS | SHOWN)
        changes = {"/ratio": lambda body: {"was": 1, "ratio": body["ratio"], "ended_ramp": True}}
        admin = Admin(Answers(*answers, lambda accept: (b"", "text/plain"), changes, live=live))
        if token is not None:
            admin.trust.allow(False, token)
        await admin.start(TcpAddress("127.0.0.1" if token is None else "0.0.0.0", port))
        started.set()
        while not ended.is_set():
            live.add(Settled(NOW + 400, LOST, {"/": 900}, {"/": 900}, False, True))
            admin.viewers.publish()
            await asyncio.sleep(0.05)
        await admin.stop()

    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(10)
        yield f"http://127.0.0.1:{port}/"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(lost_hour(), *free_ports(1)) as url:
        yield url


def test_the_verdict_stands_at_the_top_of_any_screen(browser: Browser, url: str) -> None:
    for scheme, width, ground in (
        ("light", 1280, "rgb(251, 251, 250)"),
        ("dark", 320, "rgb(18, 20, 22)"),
    ):
        opened = Opened(browser, url, scheme, width)
        page = opened.page
        title = page.locator("#verdict-title")
        assert title.inner_text() == "Not safe to switch"
        reason = page.locator("#verdict-reason").inner_text()
        assert reason.startswith("New errors in the last hour on /")
        assert reason.endswith(" pairs (Envoy has no route)")
        box = title.bounding_box()
        assert box is not None and box["y"] < 200 and box["height"] >= 24
        assert page.locator(".of-unsafe").is_visible(), "the sign says it without its colour"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        assert len(page.screenshot()) > 20_000
        assert opened.complaints == []
        assert {request.removeprefix(url) for request in opened.requests} == {"", "events"}
        page.close()


def test_hostile_names_stay_text(browser: Browser, url: str) -> None:
    opened = Opened(browser, url)
    page = opened.page
    for place in ("#routes", "#examples", "#verdict-reason"):
        assert HOSTILE in page.locator(place).inner_text()
    assert page.locator("img").count() == 0 and page.locator("script").count() == 1
    assert page.title() == "Not safe to switch · mirror · web-7"
    assert opened.complaints == []
    page.close()


def test_the_keyboard_reads_the_chart(browser: Browser, url: str) -> None:
    page = Opened(browser, url).page
    chart, reading = page.locator("#traffic"), page.locator("#traffic-reading")
    assert reading.inner_text().startswith("mean ")
    chart.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert "production 940 rps, highest second 940; shadow 900 rps" in reading.inner_text()
    assert chart.get_attribute("aria-valuenow") == "358"
    assert chart.get_attribute("aria-valuetext") == reading.inner_text()
    page.close()


def test_an_interrupted_page_says_so_and_comes_back(browser: Browser) -> None:
    live, (port,) = lost_hour(), free_ports(1)
    with served(live, port) as url:
        page = Opened(browser, url).page
    page.wait_for_selector("body.is-cut")
    assert "interrupted: " in page.locator("#link-words").inner_text()
    assert "the numbers are from" in page.locator("#link-words").inner_text()
    # The sidecar that comes back has another secret, so the page is fetched anew.
    with served(live, port):
        page.wait_for_selector("body.is-live")
        assert page.locator("#link-words").inner_text() == "live"
    page.close()


def test_beyond_loopback_the_page_asks_for_the_token(browser: Browser) -> None:
    with served(lost_hour(), *free_ports(1), token=b"0123456789abcdef") as url:
        page = Opened(browser, url).page
        assert page.get_by_label("Ratio").is_disabled()
        for token, words in (
            ("wrong", "Not changed: this is not the token of admin_token_file"),
            ("0123456789abcdef", "The ratio was 1 and is 0.5. The ramp has ended"),
        ):
            page.get_by_label("Token of").fill(token)
            page.keyboard.press("Enter")
            page.wait_for_selector("#ratio:enabled")
            page.get_by_label("Ratio").fill("0.5")
            page.keyboard.press("Enter")
            page.get_by_text(words).wait_for()
        page.close()


def test_a_click_changes_the_ratio_of_a_running_sidecar(browser: Browser, tmp_path: Path) -> None:
    port, admin, shadow = free_ports(3)
    config = {
        "listen": f"127.0.0.1:{port}",
        "shadow": {"url": f"http://127.0.0.1:{shadow}"},
        "series": {"enabled": False},
        "admin": f"127.0.0.1:{admin}",
    }
    with Processes(tmp_path) as processes:
        running = start_sidecar(processes, tmp_path, config)
        opened = Opened(browser, f"http://127.0.0.1:{admin}/")
        page = opened.page
        assert page.locator("#verdict-title").inner_text() == "Not known yet"
        budgets = page.locator("#budgets").inner_text()
        assert "0 B of 64 MiB" in budgets and "0 of 1,024" in budgets and "0 of 512" in budgets
        page.get_by_label("Ratio").fill("0.25")
        page.get_by_role("button", name="Set", exact=True).click()
        page.get_by_text("The ratio was 1 and is 0.25.").wait_for()
        assert running.status()["ratio"] == 0.25
        page.get_by_label("Ratio").fill("many")
        page.keyboard.press("Enter")
        page.get_by_text("Not changed: ratio: expected a number from 0 to 10").wait_for()
        page.get_by_role("button", name="Stop mirroring").click()
        page.get_by_text("in force: 0;").wait_for()
        assert running.status()["ratio"] == 0
        # Chromium reports an answer of 400 by itself.
        assert [each for each in opened.complaints if "400" not in each] == []
        # An open page does not hold up the end.
        assert running.child.stop() == 0
        page.wait_for_selector("body.is-cut")
        page.close()
