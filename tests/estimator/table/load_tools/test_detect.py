import random
from contextlib import suppress
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.table.load_tools.detect import LIMIT, READERS, read_result
from estimator.table.load_tools.run import members

SAMPLES = {
    "fortio.json": "fortio",
    "ghz.json": "ghz",
    "hey.csv": "hey",
    "hey_limited.csv": "hey",
    "k6_handle_summary.json": "k6",
    "k6_summary_export.json": "k6",
    "k6_machine_readable.json": "k6",
    "locust_stats.csv": "locust",
    "locust_stats_history.csv": "locust",
    "oha.csv": "oha",
    "oha.json": "oha",
    "vegeta.csv": "vegeta",
    "vegeta_report.json": "vegeta",
    "wrk2.txt": "wrk2",
    "wrk.txt": "wrk",
    "wrk_limited.txt": "wrk",
}


@pytest.mark.parametrize(("name", "tool"), SAMPLES.items())
def test_content_tells_the_tool(load_tool_samples: Path, tmp_path: Path, name, tool) -> None:
    disguised = tmp_path / "result.bin"
    disguised.write_bytes((load_tool_samples / name).read_bytes())
    assert read_result(disguised).runs[0].tool == tool


@pytest.mark.parametrize("name", SAMPLES)
def test_one_reader_claims_a_file(load_tool_samples: Path, name: str) -> None:
    text = (load_tool_samples / name).read_text()
    assert sum(reader.matches(members(text), text) for reader in READERS) == 1


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("hey_summary.txt", "is the text summary of hey or ghz: use -o csv, or -O json"),
        ("vegeta_report.txt", "is vegeta's text report: use `vegeta report -type=json`"),
        ("nginx_ladder.csv", "is no result of a known tool; known are fortio (JSON); "),
    ],
)
def test_other_outputs_get_advice(load_tool_samples: Path, name: str, advice: str) -> None:
    with pytest.raises(InputError) as caught:
        read_result(load_tool_samples / name)
    assert str(caught.value).startswith(f"{load_tool_samples / name}: {advice}")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("timeStamp,elapsed,label,responseCode\n", "is JMeter's result, which is not read"),
        ("Summary:\n  Success rate:\t100.00%\n", "is oha's text summary: use --output-format json"),
        (
            '[{"name": "/", "method": "GET", "num_requests": 3}]',
            "is locust's JSON: run it with --csv",
        ),
        # Keys of one tool in the file of another claim nothing.
        (
            '{"statusCodeDistribution": {}, "summary": 3}',
            "is no result of a known tool; known are ",
        ),
    ],
)
def test_known_files_that_are_not_read_are_named(refused, text: str, advice: str) -> None:
    (problem,) = refused(text)
    assert problem.startswith(advice)


@pytest.mark.parametrize(
    "text",
    [
        '{"metrics": ' + "[" * 100_000,
        '{"results": {"metrics": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        '{"DurationHistogram": 1, "RequestedQPS": ' + '{"a":' * 100_000 + "1" + "}" * 100_002,
        '{"format": "kagami-replay", "version": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_deep_nesting_is_bad_input(refused, text: str) -> None:
    (problem,) = refused(text)
    assert len(problem) < 400


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no regular file"):
        read_result(tmp_path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LIMIT.most_bytes + 1)
    with pytest.raises(InputError, match="134,217,728 bytes, which is the limit"):
        read_result(tmp_path / "large")


def test_a_file_of_bad_lines_names_the_first(refused) -> None:
    header = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code"
    problems = refused(f"{header},offset\n" + "x\n" * 1000)
    assert len(problems) == 21
    assert problems[-1] == "is not read further: too many problems"


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", '{"metrics": 3}', '{"results": []}'])
def test_what_is_no_result_is_named(refused, text: str) -> None:
    (problem,) = refused(text)
    assert problem


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_result(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_result(tmp_path / "binary")


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_bad_input_and_no_crash(
    load_tool_samples: Path, tmp_path: Path, name: str
) -> None:
    text = (load_tool_samples / name).read_text()[:6000]
    dice = random.Random(7)
    path = tmp_path / "result"
    for _ in range(150):
        at, length = dice.randrange(len(text)), dice.choice([1, 5, len(text)])
        path.write_text(text[:at] + dice.choice(["", "x", '"', "-1", "[]"]) + text[at + length :])
        with suppress(InputError):
            assert read_result(path).runs[0].rps >= 0


def test_what_is_no_csv_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = Path("tests/load_tool_samples/hey.csv").read_text()
    path.write_text(text + "x" * 200_000)
    with pytest.raises(InputError, match="a.csv: is not CSV: field larger"):
        read_result(path)
