import click
from click.testing import CliRunner

from estimator.commands.help_sections import SectionedCommand, SectionedGroup


def test_options_stand_under_their_headings_in_order() -> None:
    @click.group(
        cls=SectionedGroup,
        sections={"late": "First", "early": "Second"},
        invoke_without_command=True,
    )
    @click.option("--early")
    @click.option("--late")
    @click.option("--stray")
    def command(early: str, late: str, stray: str) -> None:
        """Do."""

    @command.command()
    def inner() -> None:
        """Do more."""

    lines = [line.strip() for line in CliRunner().invoke(command, ["--help"]).output.splitlines()]
    kept = [line.split()[0] for line in lines if line.endswith(":") or line.startswith("--")]
    assert kept == [
        "First:",
        "--late",
        "Second:",
        "--early",
        "Other:",
        "--stray",
        "--help",
        "Commands:",
    ]
    assert "inner  Do more." in lines


def test_options_of_a_command_stand_likewise() -> None:
    @click.command(cls=SectionedCommand, sections={"late": "First", "early": "Second"})
    @click.option("--early")
    @click.option("--late")
    def command(early: str, late: str) -> None:
        """Do."""

    lines = [line.strip() for line in CliRunner().invoke(command, ["--help"]).output.splitlines()]
    kept = [line.split()[0] for line in lines if line.endswith(":") or line.startswith("--")]
    assert kept == ["First:", "--late", "Second:", "--early", "Other:", "--help"]
