"""Checks that the first configuration of docs/configuration.md can be used."""

import re
import subprocess
from pathlib import Path

import pytest

from mirror.config import parse
from mirror.demo.processes import find_program

TEXT = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()


def snippet(language: str) -> str:
    return TEXT.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_first_configuration_is_a_valid_one() -> None:
    parsed = parse(snippet("yaml"))
    assert parsed.mode == "sink"
    assert len(parsed.routes) == 2


def test_the_ramp_is_a_valid_one() -> None:
    (text,) = (block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.S) if "ramp" in block)
    ramp = parse(text).shadow.ramp
    assert ramp is not None
    assert (ramp.duration, ramp.max_p99) == (7200, 0.5)


def test_the_first_nginx_configuration_is_a_valid_one(tmp_path: Path) -> None:
    nginx = find_program("nginx")
    if nginx is None:
        pytest.skip("no nginx here: apt-get install nginx-light")
    path = tmp_path / "nginx.conf"
    site = snippet("nginx").replace("http://app;", "http://127.0.0.1:3000;")
    path.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {site} }}")
    checked = subprocess.run(
        [nginx, "-t", "-p", tmp_path, "-e", "stderr", "-c", path], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
