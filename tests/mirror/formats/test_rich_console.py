import io

import pytest
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mirror.formats.rich_console import visible_console

HOSTILE = ["\x1b]0;x\x07", "[red]", "[/x]", "[link=http://x]y[/link]", "a\u202eb", ":bomb:"]
VISIBLE = [r"\x1b]0;x\x07", *HOSTILE[1:4], r"a\u202eb", ":bomb:"]


def printed(*things: object) -> str:
    stream = io.StringIO()
    out = visible_console(stream, width=80, force_terminal=False)
    for thing in things:
        out.print(thing)
    return stream.getvalue()


@pytest.mark.parametrize(("hostile", "shown"), list(zip(HOSTILE, VISIBLE, strict=True)))
def test_text_is_never_obeyed(hostile: str, shown: str) -> None:
    table = Table(hostile, title=hostile, caption=hostile)
    table.add_row(hostile)
    for thing in (hostile, Group(hostile), table):
        text = printed(thing)
        assert shown in text
        assert all(line.isprintable() for line in text.split("\n"))
    assert printed(table).count(shown) == 4
    # `Text` removes some characters itself, such as the bell.
    assert all(line.isprintable() for line in printed(Text(hostile)).split("\n"))


def test_columns_stay_aligned() -> None:
    table = Table("name", "number", box=None)
    table.add_row("\x1b\x1b", "1")
    table.add_row("x", "2")
    heading, first, second = printed(table).splitlines()
    assert heading.index("number") == first.rindex("1") == second.index("2")


def test_colours_and_movements_of_our_own_remain() -> None:
    stream = io.StringIO()
    out = visible_console(stream, width=80, force_terminal=True)
    with Live(Text("\x1bx", "red"), console=out, auto_refresh=False) as live:
        live.update(Text("\x1by", "red"), refresh=True)
    assert "\x1b[31m\\x1bx\x1b[0m" in stream.getvalue()
    assert "\x1b[2K" in stream.getvalue()
