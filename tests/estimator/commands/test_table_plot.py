import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.estimator.commands.test_table_check import TABLE

NASTY = TABLE.replace("[red]api", "a<script>&b")


def test_picture_is_whole_and_well_formed(run_table) -> None:
    Path("t.yaml").write_text(NASTY)
    assert run_table("plot", "t.yaml", "-o", "a.svg").exit_code == 0
    root = ElementTree.parse("a.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "cpu of app of a<script>&b over rps per replica" in texts
    circles = [
        e for e in root.iter("{http://www.w3.org/2000/svg}circle") if e.get("class") == "dot"
    ]
    assert len(circles) == 4


@pytest.mark.parametrize("name", ["a.svg", "a.html"])
def test_plot_needs_nothing_else(run_table, name: str) -> None:
    Path("t.yaml").write_text(NASTY)
    run_table("plot", "t.yaml", "-o", name)
    text = Path(name).read_text().replace("http://www.w3.org/2000/svg", "")
    for reference in ("http", "<script", "src=", "@import", "url("):
        assert reference not in text
    assert "prefers-color-scheme: dark" in text


def test_page_shows_every_row_with_its_verdict(run_table) -> None:
    Path("t.yaml").write_text(TABLE)
    run_table("plot", "t.yaml", "-o", "a.html")
    page = Path("a.html").read_text()
    assert "<td>not used: failing: error_ratio 0.2 is above 0.01</td>" in page
    assert page.count("<td>ok</td>") == 3


def test_other_endings_and_empty_tables_are_told(run_table) -> None:
    Path("t.yaml").write_text(TABLE)
    result = run_table("plot", "t.yaml", "-o", "a.png")
    assert (result.exit_code, "ends in .html or .svg, got 'a.png'" in result.output) == (2, True)
    Path("t.yaml").write_text(TABLE.replace("error_ratio: 0,", "error_ratio: 1,"))
    result = run_table("plot", "t.yaml", "-o", "a.svg")
    assert result.exit_code == 4
    assert "has no row that can be used. `estimate table check t.yaml` says why" in result.output
    assert not Path("a.svg").exists()
