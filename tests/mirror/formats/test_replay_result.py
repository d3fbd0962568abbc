"""Checks that a replay's result reads back as it was written, and that other files are refused."""

import json
import os
from pathlib import Path

import pytest

from mirror.errors import InputError
from mirror.formats.replay_result import LIMIT, MOST_STEPS, read, to_json
from mirror.replay.result import step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep
from tests.mirror.replay.test_result import measure, result


def test_read_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    step = step_result(MeasuredStep(Step(10, 0, 10), measure(1), measure(5), 1e9, 8.0, 0.5))
    written = result(measure(1, 5), steps=[step])
    path.write_text(to_json(written))
    assert read(path) == written


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "other"}, "format: expected kagami-replay"),
        ({"version": 2}, "version: expected 1, got 2"),
        ({"due": "many"}, "due"),
        ({"steps": [{}]}, "steps[0]"),
        ({"due": -1}, "due"),
        ({"outcomes": {"2xx": -1}}, "outcomes"),
        ({"shard": "0/x"}, "shard"),
        ({"shard": "0/99999999"}, "shard"),
        ({"steps": [{}] * (MOST_STEPS + 1)}, "steps"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(json.loads(to_json(result(measure(1)))) | change))
    with pytest.raises(InputError) as refused:
        read(path)
    assert str(path) in str(refused.value) and expected in str(refused.value)


def test_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (b"", b"[]", b"{", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="expected the JSON of mirror replay"):
            read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.json")


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for bomb in ('{"a":' * 100_000, " " * (LIMIT.most_bytes + 1)):
        path.write_text(bomb)
        with pytest.raises(InputError, match="result.json: (expected the JSON|has more than)"):
            read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is no regular file"):
        read(path)
