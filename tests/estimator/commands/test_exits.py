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
        end_with_doubts(("a week is missing",), "json", has_drifted)
    assert ended.value.code == code
    assert capsys.readouterr().err == "estimate: low confidence: a week is missing\n"


def test_answer_without_doubt_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    end_with_doubts((), "text")
    assert capsys.readouterr().err == ""
