"""Checks whether the lines that copies are joined with reach the sidecar, and say enough."""

from pathlib import Path

import pytest

from tests.mirror.preflight.nginx.configurations import SINK, codes, config_for, faults, linted

FORMAT = "log_format seen '$request_id $status';"
PLAIN = "log_format seen '$remote_addr $request';"
UDP = "udp://127.0.0.1:8126"
TO_UDP = "access_log syslog:server=127.0.0.1:8126,nohostname seen;"


@pytest.mark.parametrize(
    ("source", "lines", "found"),
    [
        (UDP, f"{FORMAT} {TO_UDP}", []),
        (UDP, f"{FORMAT} {TO_UDP.replace('127.0.0.1', 'localhost')}", []),
        (UDP, f"{FORMAT} access_log /var/log/a.log seen; {TO_UDP}", []),
        (UDP, f"{FORMAT} {TO_UDP.replace('8126', '8127')}", ["log_not_sent"]),
        (UDP, f"{FORMAT} access_log syslog:server=127.0.0.1 seen;", ["log_not_sent"]),
        (UDP, f"{PLAIN} {TO_UDP}", ["log_format"]),
        (UDP, "access_log syslog:server=127.0.0.1:8126;", ["log_format"]),
        (UDP, "", ["log_not_sent"]),
        ("unix:/run/log.sock", f"{FORMAT} access_log syslog:server=unix:/run/log.sock seen;", []),
        ("unix:/run/log.sock", f"{FORMAT} access_log /run/log.sock seen;", ["log_not_sent"]),
        ("file:/var/log/a.log", f"{FORMAT} access_log /var/log/a.log seen buffer=4k;", []),
        ("file:/var/log/a.log", "access_log /var/log/a.log buffer=4k;", ["log_format"]),
        ("file:/var/log/a.log", f"{FORMAT} access_log /var/log/b.log seen;", ["log_not_sent"]),
    ],
)
def test_the_log_of_a_mirrored_location_is_judged(
    tmp_path: Path, source: str, lines: str, found: list[str]
) -> None:
    replaced = [("\nupstream app", f"\n{lines}\nupstream app")]
    assert codes(linted(tmp_path, SINK, replaced, comparison={"access_log": source})) == found


def test_a_log_of_the_location_ends_the_inheritance(tmp_path: Path) -> None:
    own = "mirror /m; access_log /var/log/a.log seen;"
    replaced = [("\nupstream app", f"\n{FORMAT} {TO_UDP}\nupstream app"), ("mirror /m;", own)]
    (finding,) = linted(tmp_path, SINK, replaced, comparison={"access_log": UDP})
    assert finding.code == "nginx.log_not_sent" and "in force in location /" in finding.what


def test_nothing_is_asked_where_nothing_is_compared(tmp_path: Path) -> None:
    off = {"access_log": UDP, "enabled": False}
    assert linted(tmp_path, SINK, comparison=off) == []


UNIX = "unix:/run/log.sock"
TO_UNIX = "access_log syslog:server=unix:/run/log.sock seen;"


@pytest.mark.parametrize(
    ("source", "line", "main", "found"),
    [
        (UDP, TO_UDP, "error_log /a crit;", []),
        (UDP, TO_UDP, "error_log /a emerg;", []),
        (UDP, TO_UDP, "error_log /a;", ["error_log"]),
        (UDP, TO_UDP, "error_log /a notice; error_log /b crit;", ["error_log"]),
        (UDP, TO_UDP, "", []),
        (UNIX, TO_UNIX, "error_log /a crit;", ["error_log"]),
        (UNIX, TO_UNIX, "error_log /a emerg;", []),
        ("file:/var/log/a.log", "access_log /var/log/a.log seen;", "error_log /a;", []),
    ],
)
def test_the_main_error_log_shows_what_nobody_takes(
    tmp_path: Path, source: str, line: str, main: str, found: list[str]
) -> None:
    text = SINK.replace("\nupstream app", f"\n{FORMAT} {line}\nupstream app", 1)
    text = f"{main}\nevents {{}}\nhttp {{\nerror_log /c error;\n{text}\n}}\n"
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    config = config_for("sink", comparison={"access_log": source})
    assert codes(faults(str(path), config)) == found


def test_advice_names_the_file_that_is_followed(tmp_path: Path) -> None:
    for source, line in (
        ("file:/var/log/nginx/mirror.log", "access_log /var/log/nginx/mirror.log mirror_json;"),
        (UDP, "access_log syslog:server=127.0.0.1:PORT,nohostname mirror_json;"),
    ):
        (finding,) = linted(tmp_path, SINK, comparison={"access_log": source})
        assert finding.code == "nginx.log_not_sent" and f"`{line}`" in finding.instead
