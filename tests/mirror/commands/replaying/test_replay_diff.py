from pathlib import Path

import pytest
from click.testing import CliRunner

from mirror.commands.replaying.replay_diff import replay_diff
from mirror.formats.replay_result import to_json
from tests.mirror.replay.test_diff import run


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    for name, slower in (("a", 1.0), ("b", 1.3)):
        (tmp_path / f"{name}.json").write_text(to_json(run(1, slower)))
    return str(tmp_path / "a.json"), str(tmp_path / "b.json")


def test_worse_is_1(files: tuple[str, str]) -> None:
    done = CliRunner().invoke(replay_diff, files)
    assert done.exit_code == 1
    assert done.output.count("WORSE") == 3 and "within noise" in done.output


def test_allowed_or_better_is_0(files: tuple[str, str]) -> None:
    allowed = CliRunner().invoke(replay_diff, [*files, "--max-ratio", "1.5"])
    assert allowed.exit_code == 0 and "higher" in allowed.output
    better = CliRunner().invoke(replay_diff, files[::-1])
    assert better.exit_code == 0 and "lower" in better.output


def test_unusable_is_2(files: tuple[str, str]) -> None:
    Path(files[1]).write_text("{}")
    done = CliRunner().invoke(replay_diff, files)
    assert done.exit_code == 2 and files[1] in done.output
    assert CliRunner().invoke(replay_diff, [*files, "--max-ratio", "0.5"]).exit_code == 2
