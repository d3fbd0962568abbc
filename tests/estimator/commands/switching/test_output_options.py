import click
import pytest
from click.testing import CliRunner

from estimator.commands.switching.output_options import format_option


@pytest.mark.parametrize(("words", "output"), [([], "text\n"), (["--format", "json"], "json\n")])
def test_format_is_text_unless_json_is_asked_for(words: list[str], output: str) -> None:
    @click.command()
    @format_option
    def command(format: str) -> None:
        click.echo(format)

    assert CliRunner().invoke(command, words).output == output
    assert CliRunner().invoke(command, ["--format", "csv"]).exit_code == 2
