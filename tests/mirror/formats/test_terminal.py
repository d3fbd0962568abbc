import click
import pytest
from click.testing import CliRunner

from mirror.formats.terminal import VisibleGroup, say, say_json


@click.group(cls=VisibleGroup)
@click.option("--first", callback=lambda context, option, value: fail(value))
def group(first: None) -> None:
    """Do nothing."""


@group.command()
@click.argument("what")
def inner(what: str) -> None:
    fail(what)


def fail(value: str | None) -> None:
    if value:
        raise click.BadParameter(f"wrong\n{value}")


def test_lines_are_printed_visibly(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\n\x1b]0;x\x07 [red]")
    say(ValueError("\u202e"), err=True)
    say("no end", nl=False)
    say_json('{"a": "\u202e"}')
    out, err = capsys.readouterr()
    assert out == 'a\n\\x1b]0;x\\x07 [red]\nno end{"a": "\\u202e"}\n'
    assert err == "\\u202e\n"


@pytest.mark.parametrize("words", [["--first", "\x1b[2J"], ["inner", "\x1b[2J"]])
def test_usage_errors_are_printed_visibly(words: list[str]) -> None:
    result = CliRunner().invoke(group, words)
    assert result.exit_code == 2
    assert "wrong\n\\x1b[2J\n" in result.output


def test_a_lazy_command_is_imported_when_it_is_used() -> None:
    lazy = {"z": "mirror.commands.series:series", "broken": "mirror.no_such_module:command"}
    commands = VisibleGroup("test", lazy=lazy, commands=[inner])
    context = click.Context(commands)
    assert commands.list_commands(context) == ["broken", "inner", "z"]
    names = [getattr(commands.get_command(context, name), "name", None) for name in ("z", "inner")]
    assert names == ["series", "inner"]
    assert commands.get_command(context, "other") is None
    with pytest.raises(ModuleNotFoundError):
        commands.get_command(context, "broken")
