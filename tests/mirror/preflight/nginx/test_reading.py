"""Checks that files are found as nginx finds them, and that nothing is read without a bound."""

import os
from pathlib import Path

import pytest

from mirror.preflight.findings import Finding
from mirror.preflight.nginx import reading
from mirror.preflight.nginx.reading import (
    LIMIT,
    MOST_FILES,
    MOST_INCLUDE_DEPTH,
    Directive,
    read_configuration,
)


def read_found(folder: Path, **files: str) -> tuple[tuple[Directive, ...], list[Finding]]:
    """Write files, of which `main` is the first; return the directives and the findings."""
    for name, text in files.items():
        path = folder / f"{name}.conf"
        path.write_text(text)
    directives, findings = read_configuration(str(folder / "main.conf"))
    assert {finding.code for finding in findings} <= {"nginx.unreadable"}
    return directives, findings


def read(folder: Path, **files: str) -> tuple[tuple[Directive, ...], list[str]]:
    """Write files, of which `main` is the first; return the directives and what is wrong."""
    directives, findings = read_found(folder, **files)
    return directives, [
        f"{Path(finding.where).name}: {finding.what}".replace(f"{folder}/", "")
        for finding in findings
    ]


def test_a_directive_knows_its_place(tmp_path: Path) -> None:
    (events, a), problems = read(tmp_path, main="events { }\n\na 'b c' \"\" # d\n e;\n")
    assert problems == []
    assert events.block == () and a.block is None
    assert a.args == ("b c", "", "e") and a.shown == 'a b c "" e;'
    assert a.where == f"{tmp_path}/main.conf:3"


def test_includes_are_expanded_in_place_and_sorted(tmp_path: Path) -> None:
    sub = tmp_path / "sub"
    sub.mkdir()
    for name in ("b", "a", "c"):
        (sub / f"{name}.conf").write_text(f"{name} 1; include other.conf;")
    directives, problems = read(tmp_path, main="x; include sub/*.conf; y;", other="other;")
    assert problems == []
    names = [directive.name for directive in directives]
    assert names == ["x", "a", "other", "b", "other", "c", "other", "y"]
    # A relative name starts at the folder of the main file, wherever it stands.
    assert directives[2].file == f"{tmp_path}/other.conf"


def test_what_is_missing_or_broken_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    main = "a;\ninclude none.conf;\ninclude broken.conf;\ninclude /none/*.conf;\nb;"
    directives, problems = read(tmp_path, main=main, broken="c {\n d 'e;\n")
    assert [directive.name for directive in directives] == ["a", "b"]
    assert problems[0] == "main.conf:2: none.conf: no such file."
    assert problems[1].startswith("broken.conf:2: cannot be parsed: ")


@pytest.mark.parametrize("kind", ["fifo", "folder", "large"])
def test_only_bounded_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.conf"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, LIMIT.most_bytes + 1)
    directives, problems = read(tmp_path, main="a; include odd.conf;")
    assert [directive.name for directive in directives] == ["a"]
    assert len(problems) == 1 and "odd.conf" in problems[0]


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    directives, problems = read(tmp_path, main="a; include main.conf;")
    assert len(directives) == MOST_INCLUDE_DEPTH + 1
    assert problems == [f"main.conf:1: more than {MOST_INCLUDE_DEPTH} nested includes."]


def test_includes_cannot_multiply_without_a_bound(tmp_path: Path) -> None:
    files = {f"f{index}": f"include f{index + 1}.conf; " * 8 for index in range(20)}
    directives, problems = read(tmp_path, main="include f0.conf;", f20="a;", **files)
    assert directives == () or len(directives) <= 200_000
    assert any("more than 200,000 directives" in problem for problem in problems)


def test_files_beyond_the_most_are_said_once(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(MOST_FILES + 3):
        (folder / f"{number}.conf").touch()
    directives, problems = read(tmp_path, main="include many/*;\n" * 2 + "a;")
    assert [directive.name for directive in directives] == ["a"]
    assert len(problems) == 1 and "more than 2,000 files" in problems[0]
    _, problems = read(tmp_path, main=" ".join(f"include {name};" for name in range(9000)))
    assert len(problems) == MOST_FILES


@pytest.mark.parametrize("text", ["a;" * 10, "a{}" * 10])
def test_a_file_with_too_many_directives_is_not_even_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """The parser needs some 300 bytes for each, and a file of 4 MiB may hold two million."""
    monkeypatch.setattr(reading, "MOST_DIRECTIVES", 12)
    many, small = text, "b;" * 4
    directives, findings = read_found(tmp_path, main="include many.conf;", many=many, small=small)
    assert len(directives) == 10 and findings == []
    main = "include small.conf; include many.conf; c;"
    directives, (finding,) = read_found(tmp_path, main=main, many=many, small=small)
    assert [directive.name for directive in directives] == ["b"] * 4 + ["c"]
    assert "more than 12 directives, counted by `;` and `{`, in all files" in finding.what
    assert finding.instead.startswith("Name a part with --nginx")


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 40)
    directives, problems = read(
        tmp_path, main="include b.conf; b; include c.conf;", b="", c="c" * 9
    )
    assert [directive.name for directive in directives] == ["b"]
    assert len(problems) == 1 and "more than 40 bytes in all files" in problems[0]


def test_scripts_and_maps_do_not_confuse_the_parser(tmp_path: Path) -> None:
    main = """
    map $a $b { default ''; include list.conf; "~^/(?<x>\\w{2})$" $x; }
    location / { content_by_lua_block { if a then b = "}" end -- } comment
      } after; }
    if ($a = "b;{") { return 200 "x}"; }
    """
    directives, problems = read(tmp_path, main=main, list="one 1;")
    assert problems == []
    assert [directive.name for directive in directives] == ["map", "location", "if"]
    assert [entry.name for entry in directives[0].block or ()] == [
        "default",
        "one",
        "~^/(?<x>\\w{2})$",
    ]
    assert [entry.name for entry in directives[1].block or ()] == ["content_by_lua_block", "after"]


@pytest.mark.parametrize("text", ["", "}", "{", "a", "a {", "\\", "'", "# no end", "\x00", "a }"])
def test_no_text_crashes_it(tmp_path: Path, text: str) -> None:
    read(tmp_path, main=text)


def test_deep_nesting_is_said(tmp_path: Path) -> None:
    directives, problems = read(tmp_path, main="a { " * 100_000)
    assert directives == () and len(problems) == 1


def test_a_file_that_an_output_of_nginx_lacks_is_not_looked_for_here(tmp_path: Path) -> None:
    (tmp_path / "here.conf").write_text("a;")
    (tmp_path / "too.conf").write_text("a;")
    main = "\ninclude here.conf;\n include t*.conf;\nb;"
    dump = f"# configuration file {tmp_path}/nginx.conf:\n{main}"
    directives, problems = read(tmp_path, main=dump)
    assert [directive.where for directive in directives] == [f"{tmp_path}/nginx.conf:4"]
    assert problems == ["nginx.conf:2: here.conf: is not in the output of `nginx -T`."]


def test_a_large_main_file_is_not_read_for_the_sake_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "main.conf").write_text("#" * LIMIT.most_bytes + "\na;")
    directives, findings = read_configuration(str(tmp_path / "main.conf"))
    assert directives == () and "more than 4,194,304 bytes" in findings[0].what
