"""Checks that the programs read the files that docs/formats.md shows."""

import re
from pathlib import Path

from click.testing import CliRunner

from estimator.cluster.files import read_cluster
from estimator.table.files import read_table
from mirror.__main__ import main

TEXT = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()


def example(path: Path, language: str, begin: str) -> Path:
    """Write the one block that begins so to a file, and return its path."""
    (block,) = re.findall(rf"(?ms)^```{language}\n({re.escape(begin)}.*?)^```", TEXT)
    path.write_text(block)
    return path


def test_the_table_is_a_valid_one(tmp_path: Path) -> None:
    (component,) = read_table(example(tmp_path / "table.yaml", "yaml", "components:")).components
    assert (component.name, len(component.points)) == ("istio-ingressgateway", 1)


def test_the_nodes_are_valid(tmp_path: Path) -> None:
    cluster = read_cluster(example(tmp_path / "nodes.yaml", "yaml", "currency:"))
    assert [pool.name for pool in cluster.pools] == ["general", "gateways"]


def test_the_capture_can_be_read(tmp_path: Path) -> None:
    path = example(tmp_path / "capture.jsonl", "json", '{"format":"kagami-capture"')
    done = CliRunner().invoke(main, ["inspect", str(path)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2 requests over 0.4 s"), done.output
    assert "90 requests not sampled" in done.output
