"""Checks what is said of the access log that copies are joined with."""

import os
from pathlib import Path

import pytest
import yaml

from mirror.config import Config, parse
from mirror.preflight.access_log import access_log_findings

LINE = '{"id":"8f","status":"200","connection":"1","connection_requests":"2"}\n'


def config(access_log: str | None, **keys: object) -> Config:
    comparison = {} if access_log is None else {"access_log": access_log}
    document = {"listen": "127.0.0.1:1", "shadow": {"url": "http://127.0.0.1:2"}}
    return parse(yaml.safe_dump(document | {"comparison": comparison} | keys), environ={})


def codes_and_words(found: Config, kernel: Path = Path("/nowhere")) -> list[tuple[str, str]]:
    return [(finding.code, finding.what) for finding in access_log_findings(found, kernel)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LINE, None),
        ("", None),
        ("cut", None),
        ("no object\n" + LINE + "cut", None),
        (LINE + "1.2.3.4 - - GET\n", "is no JSON object"),
        (LINE.replace("id", "it"), "has no `id`, so no copy can be joined with it"),
        (LINE.replace("status", "s"), "has no `status`, so nothing can be compared"),
        (
            LINE.replace("connection_requests", "n"),
            "has no `connection` and `connection_requests`, so lines that are lost do not show",
        ),
    ],
)
def test_the_last_line_shows_the_format(tmp_path: Path, text: str, words: str | None) -> None:
    path = tmp_path / "access.log"
    path.write_text("x" * 100_000 + "\n" + text if text else "")
    found = codes_and_words(config(f"file:{path}"))
    expected = [("host.access_log_format", f"The last line {words}.")]
    if text == "cut":
        expected = [("host.access_log_format", "The last line is no JSON object.")]
    assert found == (expected if words or text == "cut" else [])


def test_a_file_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    missing = f"{path} cannot be read: No such file or directory."
    assert codes_and_words(config(f"file:{path}")) == [("host.access_log", missing)]
    os.mkfifo(path)
    expected = [("host.access_log", f"{path} is no regular file.")]
    assert codes_and_words(config(f"file:{path}")) == expected


def test_a_small_buffer_is_noted(tmp_path: Path) -> None:
    for folder, name, value in (("core", "rmem_max", 212992), ("unix", "max_dgram_qlen", 10)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(f"{value}\n")
    udp, unix = config("udp://127.0.0.1:5514"), config("unix:/run/mirror/log.sock")
    assert codes_and_words(udp, tmp_path) == [
        ("host.log_buffer", "net.core.rmem_max is 212992, room for about 332 lines.")
    ]
    ((code, words),) = codes_and_words(unix, tmp_path)
    assert code == "host.log_buffer" and words.startswith("net.unix.max_dgram_qlen is 10, ")
    (tmp_path / "core/rmem_max").write_text("4194304\n")
    (tmp_path / "unix/max_dgram_qlen").write_text("512\n")
    assert codes_and_words(udp, tmp_path) == codes_and_words(unix, tmp_path) == []
    assert codes_and_words(udp) == codes_and_words(unix) == []  # another kernel


def test_mode_sink_without_a_log_compares_nothing() -> None:
    ((code, _),) = codes_and_words(config(None))
    assert code == "host.not_compared"
    assert codes_and_words(config(None, comparison={"enabled": False})) == []
    inline = config(None, mode="inline", primary="http://127.0.0.1:3")
    assert codes_and_words(inline) == []
