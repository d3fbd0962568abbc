"""Gives every test the same starting conditions, however the tests were started."""

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from mirror.demo import processes

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A shell without job control starts background jobs with SIGINT ignored, and `nohup` ignores
# SIGHUP. Children inherit an ignored signal, so a SIGINT from a test would not end the program
# that the test started. A handler or the default is not inherited as "ignored".
DISPOSITIONS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
}

for number, disposition in DISPOSITIONS.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, disposition)

# A property must hold on a slow machine too, so that an example has no deadline. The examples are
# the same on every machine; `pytest --hypothesis-profile default` tries others.
settings.register_profile("kagami", deadline=None, derandomize=True)
settings.load_profile("kagami")

# A test chooses its ports before its programs listen there. Two processes that choose from the same
# ports would now and then choose the same one.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    share = (processes.LAST_PORT - processes.FIRST_PORT) // int(
        os.environ["PYTEST_XDIST_WORKER_COUNT"]
    )
    processes.FIRST_PORT += share * int(worker.removeprefix("gw"))
    processes.LAST_PORT = processes.FIRST_PORT + share - 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that two processes end at nearly the same time: those that
    build images and installations, then those that run every command."""
    first = ["packaging", "tests"]
    items.sort(key=lambda item: [item.path.parent.name != name for name in first])


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A real Chromium."""
    # Few tests need playwright, and every run loads this module.
    from playwright.sync_api import sync_playwright

    from mirror.demo.processes import find_program

    with sync_playwright() as playwright:
        # Chromium has no sandbox for root; the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=str(find_program("chromium")), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
