import signal
import subprocess
import sys

import pytest

from estimator.commands.exits import end_with_doubts, endings
from estimator.errors import InputError, Problem, Refusal, Refused


def test_every_problem_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem("a.yaml", "is wrong"), Problem("b.yaml", "is worse")]
    with pytest.raises(SystemExit) as ended, endings():
        raise InputError(problems)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "estimate: bad input: a.yaml: is wrong",
        "estimate: bad input: b.yaml: is worse",
    ]


def test_refusal_is_another_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, endings():
        raise Refused([Refusal("api", "no rows", "Measure some")])
    assert ended.value.code == 4
    assert capsys.readouterr().err == "estimate: refused: api: no rows. Measure some\n"


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), endings():
        raise ZeroDivisionError


def test_closed_pipe_ends_by_its_signal() -> None:
    code = "from estimator.commands.exits import end_at_closed_pipe as end; end()"
    ended = subprocess.run([sys.executable, "-c", code], timeout=60)
    assert ended.returncode == -signal.SIGPIPE


@pytest.mark.parametrize(("has_drifted", "code"), [(False, 3), (True, 5)])
def test_doubts_are_said_before_the_exit(
    has_drifted: bool, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        end_with_doubts(("a week is missing",), True, has_drifted)
    assert ended.value.code == code
    assert capsys.readouterr().err == "estimate: low confidence: a week is missing\n"


@pytest.mark.parametrize("are_printed", [True, False])
def test_doubts_are_said_once_on_a_terminal(
    are_printed: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        end_with_doubts(("a week is missing",), are_printed)
    assert ("a week is missing" in capsys.readouterr().err) is not are_printed


def test_answer_without_doubt_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    end_with_doubts((), are_printed=True)
    assert capsys.readouterr().err == ""
