"""Runs docs/getting-started.md in an empty directory, with real nginx and Envoy, as a reader would.

What is left out takes a minute or is for another machine: installing, the load test and the
estimate, and the last two sections. test_documented_commands.py runs those, in short.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.demo.processes import find_program
from tests.topology.conftest import require

pytestmark = pytest.mark.topology

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/getting-started.md").read_text()
REPORTS = (ROOT / "docs/reading-a-report.md").read_text()
STEPS = ("2. ", "3. ", "4. ", "5. ", "7. ", "8. ")
PORTS = (3000, 3001, 8080, 9910, 9911, 9912, 15000, 30080, 30081)
UNTIL_COMPARED = (
    "until curl -s http://127.0.0.1:9911/status | grep -q 'route_miss\"[^,}]*[1-9][0-9]'; "
    "do curl -s -o /dev/null http://127.0.0.1:8080/api/me; sleep 0.1; done"
)
"""In the place of a pause: a loaded machine may take longer, and may lose a copy."""


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}")[2].partition("\n## ")[0]


def script() -> str:
    """Return the commands of the page as one script that stops at the first wrong exit code."""
    lines = ["set -e", "cd " + str(ROOT)]
    for step in STEPS:
        lines += [f"echo '== {step.strip()}'"]
        for block in re.findall(r"(?ms)^```sh\n(.*?)^```", section(step)):
            for line in block.replace("\\\n", " ").splitlines():
                command, _, code = line.partition("   # exit code ")
                if code:
                    command = f"code=0; {command} || code=$?; test $code = {code}"
                command = command.replace("[1-3500]", "[1-200]")
                lines.append(UNTIL_COMPARED if command.startswith("sleep") else command)
    return "\n".join(lines) + "\n"


def test_the_page_shows_the_configuration_that_it_uses() -> None:
    file = "getting-started-example/mirror.yaml"
    block = TEXT.partition(f"<!-- {file} -->\n```yaml\n")[2].partition("```")[0]
    assert block == (ROOT / "docs" / file).read_text()


def with_numbers_hidden(line: str) -> str:
    return " ".join(re.sub(r"\d[\d,.]*", "N", line).split())


def is_among(printed: set[str], quoted: str) -> bool:
    """Tell whether a line was printed; a quote may leave out its end."""
    return any(line.startswith(quoted) for line in printed)


def is_port_taken(port: int) -> bool:
    try:
        answer = subprocess.run(
            ["curl", "-s", "-m", "1", f"http://127.0.0.1:{port}"], capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("no curl here: apt-get install curl")
    return answer.returncode != 7  # 7: connection refused


def test_the_page_works(tmp_path: Path) -> None:
    nginx, envoy = require("nginx"), require("envoy")
    if find_program("bash") is None or any(map(is_port_taken, PORTS)):
        pytest.skip("the page needs bash, and its ports")
    path = os.pathsep.join(
        (str(Path(sys.executable).parent), str(nginx.parent), os.environ["PATH"])
    )
    with (tmp_path / "output").open("w+") as output:
        run = subprocess.Popen(
            ["bash", "-c", script().replace("envoy -c", f"{envoy} -c")],
            env={**os.environ, "HOME": str(tmp_path), "PATH": path},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = run.wait(60)
        finally:
            folder = tmp_path / "first-hour"
            for name in ("nginx.pid", "envoy.pid", "mirror.pid"):
                if (folder / name).exists():
                    os.kill(int((folder / name).read_text()), signal.SIGTERM)
        output.seek(0)
        text = output.read()
    assert code == 0, text
    printed = {with_numbers_hidden(line) for line in text.splitlines()}
    quoted = [
        line
        for text in (*map(section, STEPS), REPORTS)
        for block in re.findall(r"(?ms)^```text\n(.*?)^```", text)
        for line in block.splitlines()
    ]
    assert len(quoted) > 10
    assert [line for line in quoted if not is_among(printed, with_numbers_hidden(line))] == [], text
