"""Checks what `estimate` loads, and that it names the extra that it lacks and exits with code 2.

tests/packaging/test_installation.py tests the latter in an environment that really lacks the extra.
"""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from click import Context

from estimator import __main__ as entry
from estimator.commands.estimate import COMMANDS, main


@pytest.mark.parametrize("missing", [["pandas"], list(entry.EXTRA)], ids=["one", "all"])
def test_missing_packages_are_named(
    missing: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spec_of(name: str) -> object:
        return None if name in [entry.EXTRA[each] for each in missing] else find_spec(name)

    monkeypatch.setattr(entry, "find_spec", spec_of)
    with pytest.raises(SystemExit) as ending:
        entry.main()
    assert ending.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"estimate: not installed: {', '.join(missing)}; in the source folder")
    assert line.endswith("run: pip install '.[estimate]'")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_found_by_its_name(name: str) -> None:
    command = main.get_command(Context(main), name)
    assert command is not None and command.name == name


def test_a_report_loads_no_subcommand() -> None:
    program = "import sys, estimator.commands.estimate; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "estimator.commands.report" in loaded
    assert not {module.partition(":")[0] for module in COMMANDS.values()} & set(loaded)
