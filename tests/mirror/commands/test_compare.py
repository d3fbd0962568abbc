"""Checks `mirror compare`: its exit codes, its options, and what it writes."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from mirror.commands.compare import compare, read_threshold
from mirror.formats.comparison import Comparison, to_json
from tests.fakes_admin import admin_port
from tests.mirror.comparison.report.test_judgement import pairs
from tests.mirror.comparison.report.test_parts import document


def run(directory: Path, *documents: Comparison, options: str = "") -> Result:
    paths = []
    for number, each in enumerate(documents):
        path = directory / f"{number}.json"
        path.write_bytes(to_json(each))
        paths.append(str(path))
    return CliRunner().invoke(compare, [*paths, *options.split()])


@pytest.mark.parametrize(
    ("made", "options", "code", "words"),
    [
        (document(pairs(3000)), "", 0, "safe so far: 0 % new errors in 3,000 pairs"),
        (document(pairs(300)), "", 3, "not known yet: 0 % new errors in 300 pairs"),
        (document(pairs(300)), "--max-new-errors 1%", 0, "safe so far: "),
        (document(pairs(3000, errors=30)), "", 5, "not safe to switch: 1 % new errors"),
        (document(pairs(3000, errors=30)), "--max-new-errors 2%", 0, "safe so far: 1 % new errors"),
        (document(pairs(3000, errors=30)), "--max-new-errors /api/_=2%", 5, "not safe to switch"),
        (document(pairs(3000)), "--max-slower 0.9", 0, "safe so far: "),
        (
            document(pairs(3000, shadow_latency={1200: 3000})),
            "--max-slower 1.5",
            5,
            "not safe to switch: 0 % new errors in 3,000 pairs; p99 ",
        ),
    ],
)
def test_the_exit_code_is_that_of_the_first_line(
    tmp_path: Path, made: Comparison, options: str, code: int, words: str
) -> None:
    done = run(tmp_path, made, options=options)
    assert (done.exit_code, done.stdout.startswith(words)) == (code, True), done.output


def test_a_threshold_of_a_route_counts_for_it_alone(tmp_path: Path) -> None:
    made = document(pairs(100_000), pairs(100, "/rare", errors=3))
    assert run(tmp_path, made).exit_code == 5
    assert run(tmp_path, made, options="--max-new-errors /rare=10%").exit_code == 0


def test_several_sources_add_up(tmp_path: Path) -> None:
    other = msgspec.structs.replace(document(pairs(2000)), instance="web-2")
    done = run(tmp_path, document(pairs(1000)), other)
    assert done.exit_code == 0 and "in 3,000 pairs" in done.stdout


def test_one_sidecar_twice_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, document(), document())
    assert done.exit_code == 2 and "requests would count twice" in done.stderr


def test_what_is_printed_for_programs(tmp_path: Path) -> None:
    done = run(tmp_path, document(pairs(3000)), options="--format json")
    assert json.loads(done.stdout)["verdict"] == "safe so far"


def test_a_page_is_written_beside_what_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    done = run(tmp_path, document(pairs(3000)), options=f"--html {page}")
    assert done.exit_code == 0 and done.stdout.startswith("safe so far: ")
    assert page.read_text().startswith("<!doctype html>")
    refused = run(tmp_path, document(), options=f"--html {tmp_path}")
    assert refused.exit_code == 2 and "cannot be written" in refused.stderr


def test_no_comparison_is_a_doubt_that_names_the_lines_to_add() -> None:
    with admin_port(404, b"") as (port, _):
        done = CliRunner().invoke(compare, [f"127.0.0.1:{port}"])
        named = CliRunner().invoke(compare, ["--admin", f"127.0.0.1:{port}"])
        both = CliRunner().invoke(compare, ["--admin", f"127.0.0.1:{port}", "series.db"])
    assert done.exit_code == 3
    assert "comparison:\n      enabled: true" in done.stderr
    assert (named.exit_code, named.stderr) == (3, done.stderr)
    assert both.exit_code == 2 and "--admin and SOURCE exclude each other" in both.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--last 1h --from 0", "--last excludes --from and --until"),
        ("--from 9 --until 8", "--from: expected a time before that of --until"),
        ("--max-new-errors 0", "no number of pairs proves"),
        (
            "--max-new-errors 1% --max-new-errors 2%",
            "expected one share for all and one for a route",
        ),
        ("--max-slower nan", "expected a number"),
        ("missing.json", "there is no such file"),
        ("--last 1h", "choose from a series.db"),
    ],
)
def test_what_cannot_be_used_says_what_was_expected(
    tmp_path: Path, options: str, words: str
) -> None:
    done = run(tmp_path, document(), options=options)
    assert (done.exit_code, words in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        *(("0.1%", ("", 0.001)), ("0.001", ("", 0.001)), (".5 %", ("", 0.005))),
        *(("/api/_=1%", ("/api/_", 0.01)), ("/a=b=100%", ("/a=b", 1.0))),
    ],
)
def test_a_threshold_is_read(text: str, threshold: tuple[str, float]) -> None:
    assert read_threshold(text) == threshold


@pytest.mark.parametrize("text", ["", "0", "0%", "1.1", "101%", "-1%", "a", "/api=", "1e-3", "nan"])
def test_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a share above 0"):
        read_threshold(text)
