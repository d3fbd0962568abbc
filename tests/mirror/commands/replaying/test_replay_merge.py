from pathlib import Path

import pytest
from click.testing import CliRunner

from mirror.commands.replaying.replay_merge import replay_merge
from mirror.formats.replay_result import read, to_json
from tests.mirror.replay.test_merge import shard
from tests.mirror.replay.test_result import measure


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for index in range(2):
        (tmp_path / f"{index}.json").write_text(to_json(shard(index, 2, measure(1000))[1]))
    return [str(tmp_path / f"{index}.json") for index in range(2)]


def test_merged_is_written(tmp_path: Path, files: list[str]) -> None:
    done = CliRunner().invoke(replay_merge, [*files, "-o", str(tmp_path / "all.json")])
    assert done.exit_code == 0 and "2 requests were due" in done.output
    assert read(tmp_path / "all.json").due == 2


def test_merged_is_printed(tmp_path: Path, files: list[str]) -> None:
    path = tmp_path / "printed.json"
    path.write_text(CliRunner().invoke(replay_merge, files).output)
    assert read(path).due == 2


def test_unusable_is_2(tmp_path: Path, files: list[str]) -> None:
    for arguments, expected in (
        (files[:1], "shards are missing: 1/2"),
        ([*files, "-o", str(tmp_path / "none/all.json")], "cannot be written"),
        ([str(tmp_path / "none.json")], "no such file"),
        ([], "Missing argument"),
    ):
        done = CliRunner().invoke(replay_merge, arguments)
        assert done.exit_code == 2 and expected in done.output


def test_invalid_is_3(tmp_path: Path) -> None:
    path = tmp_path / "late.json"
    late = shard(0, 1, measure(1000), is_valid=False, invalid_reason="late")[1]
    path.write_text(to_json(late))
    done = CliRunner().invoke(replay_merge, [str(path), "-o", str(tmp_path / "all.json")])
    assert done.exit_code == 3 and "INVALID: late" in done.output
