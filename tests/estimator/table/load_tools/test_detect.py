import json
import random
from contextlib import suppress
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.table.load_tools.detect import READERS, read_result

SAMPLES = {
    "fortio.json": "fortio",
    "ghz.json": "ghz",
    "hey.csv": "hey",
    "hey_limited.csv": "hey",
    "k6_handle_summary.json": "k6",
    "k6_summary_export.json": "k6",
    "locust_stats.csv": "locust",
    "locust_stats_history.csv": "locust",
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
    document = json.loads(text) if text.startswith("{") else None
    assert sum(reader.matches(document, text) for reader in READERS) == 1


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
