"""Compares the reports of docs/example with the golden files, and docs/estimate.md with both."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from mirror.demo.processes import find_program
from tests.golden.make import GOLDEN, GUIDE, commands, make_outputs, with_quotes

HOW = "if the change is meant: .venv/bin/python -m tests.golden.make, and read the diff"
NAMES = sorted(
    str(path.relative_to(GOLDEN))
    for path in GOLDEN.rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "README.md"
)


CHROMIUM = find_program("chromium")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which the guide's commands ran, with the files they wrote."""
    return tmp_path_factory.mktemp("example")


@pytest.fixture(scope="module")
def outputs(directory: Path) -> dict[str, str]:
    return make_outputs(directory)


def test_every_report_has_its_golden_file(outputs: dict[str, str]) -> None:
    assert sorted(outputs) == NAMES, HOW


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_as_it_was(outputs: dict[str, str], name: str) -> None:
    assert outputs[name] == (GOLDEN / name).read_text(), HOW


def test_the_guide_quotes_what_comes_out(outputs: dict[str, str]) -> None:
    guide = GUIDE.read_text()
    assert with_quotes(guide, outputs) == guide, HOW
    assert guide.count("<!-- ") >= 5


def test_every_number_in_the_guides_sentences_is_in_its_reports(outputs: dict[str, str]) -> None:
    """Check the numbers in bold, which are results."""
    everything = "\n".join(outputs.values())
    bold = re.findall(r"\*\*([\d][^*]*)\*\*", GUIDE.read_text())
    assert len(bold) >= 2
    for words in bold:
        assert words in everything, words


def test_the_guide_has_commands_for_every_kind_of_answer() -> None:
    options = {word for arguments, _ in commands() for word in arguments}
    assert {"--html", "--manifests", "--against", "--explain", "--format", "--nodes"} <= options
    assert {code for _, code in commands()} == {0, 2, 5}


def test_example_files_are_told_of(outputs: dict[str, str]) -> None:
    for path in Path(GUIDE).parent.joinpath("example").iterdir():
        assert path.name in GUIDE.read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
def test_the_guides_page_answers_in_chromium(outputs: dict[str, str], directory: Path) -> None:
    path = directory / "report.html"
    assert outputs["report.html"] and path.stat().st_size < 1_000_000
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        complaints: list[str] = []
        requested: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(path.as_uri())
        readers = page.locator(".reader")
        assert readers.count() >= 15
        for index in range(readers.count()):
            readers.nth(index).focus()
            assert page.locator(".plot .tip").nth(index).is_visible()
        page.locator(".mark").first.click()
        # docs/example/series.sql defines the highest second of the series.
        assert "1,556 rps at 2026-01-01 20:05:22 UTC" in page.locator(".tip").first.inner_text()
        browser.close()
    assert (complaints, requested) == ([], [path.as_uri()])
