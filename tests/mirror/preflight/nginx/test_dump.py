"""Checks that the output of `nginx -T` is taken apart as nginx put it together."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mirror.formats.bounded_files import BoundedFileError
from mirror.preflight.nginx.dump import files_of, matching
from mirror.preflight.nginx.reading import Directive, read_configuration
from tests.topology.conftest import require

MAIN, PART = "# configuration file /n/nginx.conf:\n", "\n# configuration file /n/d/a.conf:\n"


def directives_of(path: Path) -> list[Directive]:
    """Return all directives of a configuration, without their tree."""
    directives, problems = read_configuration(str(path))
    assert problems == []

    def flat(some: tuple[Directive, ...]) -> list[Directive]:
        return [inner for one in some for inner in (one, *flat(one.block or ()))]

    return flat(directives)


@pytest.mark.topology
def test_what_the_real_nginx_writes_is_what_its_files_hold(tmp_path: Path) -> None:
    for name in ("d", "sites"):
        (tmp_path / name).mkdir()
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{ }}\n"
        "http {\n  include d/*.conf;\n  include sites/[a-m]*;\n  types { include types; }\n"
        "  server {\n    include one;\n    include none/*.conf;\n  }\n}\n"
    )
    (tmp_path / "d" / "b.conf").write_text("map $uri $b {\n  default 1;\n}")  # no end of line
    (tmp_path / "d" / "a.conf").write_text("map $uri $a {\n  default 1;\n}\n")
    (tmp_path / "d" / ".hidden.conf").write_text("no nginx reads this;\n")
    (tmp_path / "sites" / "site").write_text("server { listen 127.0.0.1:1; }\n")
    (tmp_path / "sites" / "later").write_text(
        "\n\nserver {\n  listen 127.0.0.1:1;\n include one;\n}"
    )
    (tmp_path / "types").write_text("text/html html;")
    (tmp_path / "one").write_text("location /one { }\n")
    command = [require("nginx"), "-T", "-p", tmp_path, "-c", tmp_path / "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    dumped = tmp_path / "dump"
    expected = directives_of(tmp_path / "nginx.conf")
    assert {Path(directive.file).name for directive in expected} == {
        *("nginx.conf", "a.conf", "b.conf", "later", "types", "one")
    }
    for folder in ("d", "sites"):
        shutil.rmtree(tmp_path / folder)
    for text in (done.stdout, done.stderr + done.stdout, done.stdout.replace("\n", "\r\n")):
        dumped.write_text(text, newline="")
        assert directives_of(dumped) == expected


def test_a_text_without_markers_is_none() -> None:
    assert files_of("x", "") is None
    assert files_of("x", "user nginx;\nhttp { }\n") is None
    # The comment stands inside a file that somebody wrote.
    assert files_of("x", f"user nginx;\n{MAIN}http {{ }}\n") is None


def test_messages_before_the_first_marker_are_no_directives() -> None:
    messages = (
        "/docker-entrypoint.sh: Configuration complete; ready for start up\n"
        "10-listen-on-ipv6-by-default.sh: info: IPv6 listen already enabled\n"
        "2026/03/02 10:00:00 [warn] 1#1: could not build optimal hash; ignoring\n"
        "nginx: the configuration file /n/nginx.conf syntax is ok\n\n"
    )
    assert files_of("x", f"{messages}{MAIN}a;") == {"/n/nginx.conf": "a;"}


def test_a_file_that_was_written_twice_is_one() -> None:
    assert files_of("x", f"{MAIN}a;\n{PART}b;\n{PART}b;") == {
        "/n/nginx.conf": "a;\n\n",
        "/n/d/a.conf": "b;\n\n",
    }
    with pytest.raises(BoundedFileError, match=r"x: holds /n/d/a\.conf twice, and not the same"):
        files_of("x", f"{MAIN}a;\n{PART}b;\n{PART}c;")


def test_patterns_match_within_a_folder() -> None:
    paths = ["/n/d/b.conf", "/n/d/a.conf", "/n/d/.c.conf", "/n/d/e/a.conf", "/n/../d/a.conf"]
    assert matching(paths, "/n/d/*.conf") == ["/n/d/a.conf", "/n/d/b.conf"]
    assert matching(paths, "/n/d/.*.conf") == ["/n/d/.c.conf"]
    assert matching(paths, "/n/../d/?.conf") == ["/n/../d/a.conf"]
    assert matching(paths, "/n/*/*/a.conf") == ["/n/d/e/a.conf"]
