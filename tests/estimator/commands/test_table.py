import pytest
from click.testing import CliRunner

from estimator.commands.estimate import main


@pytest.mark.parametrize("command", ["table", "verify"])
def test_command_is_registered(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: main " + command)
