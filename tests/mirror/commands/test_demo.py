"""Checks `mirror demo`: its output, how it ends, and that it leaves no process behind."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from mirror.build import BUILD
from mirror.commands import demo as command
from mirror.demo.envoy import find_envoy
from mirror.demo.load import Tally
from mirror.demo.pages import MOST_SUMMARY_LINES
from mirror.demo.processes import find_program
from tests.golden.readme import HOW, ROOT, demo_output

pytestmark = pytest.mark.one_python

MARK = "KAGAMI_DEMO_TEST"


@dataclass
class Demo:
    """One run, whose processes are found by a mark that they inherit in their environment."""

    directory: Path
    """For temporary files, of which none may remain."""
    output: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, *options: str, user: str | None = None) -> subprocess.Popen[str]:
        environment = os.environ | {MARK: self.mark, "TMPDIR": str(self.directory)}
        words = [sys.executable, "-m", "mirror", "demo", *options]
        return subprocess.Popen(
            words,
            env=environment,
            cwd=self.output,
            user=user,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A terminal sends Ctrl-C to the whole group; here only the demo receives the signal.
            start_new_session=True,
        )

    def running(self) -> list[psutil.Process]:
        """Return all processes that carry the mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def wait_for_traffic(self, process: subprocess.Popen[str]) -> None:
        """Wait until the first line of progress is printed."""
        assert process.stdout is not None
        for line in process.stdout:
            if " rps " in line:
                return
        raise AssertionError("ended before any traffic")


@pytest.fixture
def run() -> Iterator[Demo]:
    # An ordinary user must be able to enter the directory, unlike tmp_path.
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        tempfile.TemporaryDirectory(prefix="kagami-") as output,
    ):
        run = Demo(Path(name), Path(output))
        for directory in (run.directory, run.output):
            directory.chmod(0o1777)
        yield run
        left = run.running()
        # A demo left behind by a failed test would make the following tests fail.
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        assert left == []
        assert list(run.directory.iterdir()) == []


def shape(line: str) -> str:
    """Return what does not depend on the load, the ports and the build.

    This is a sum without its numbers and the parts of them, and how any other line begins.
    """
    if line.startswith("  ok  "):
        return re.sub(r" \([^)]*\)", "", re.sub(r"\d+", "N", line))
    return re.split(r"\d", line.replace("compiled", "plain Python"))[0].rstrip()


@pytest.mark.topology
@pytest.mark.parametrize("options", [[], ["--inline"]], ids=["default", "inline"])
def test_everything_adds_up_and_is_projected(run: Demo, options: list[str]) -> None:
    process = run.start("--seconds", "5", *options)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    has_nginx = find_program("nginx") is not None and not options
    assert f"mirror runs as the {BUILD} build" in output
    assert ("sink mode" if has_nginx else "inline mode") in output
    assert ("lines in production's access log" in output) == has_nginx
    assert output.count("  ok  ") >= 3 and "  NO  " not in output
    assert "0 failed" in output
    assert "new errors in" in output
    _, _, summary = output.partition("What does the new cluster need?")
    assert "istio-ingressgateway" in summary
    assert "open this: kagami-demo/estimate.html" in summary
    # The question, an empty line and the two pages are beside the summary.
    assert summary.count("\n") <= MOST_SUMMARY_LINES + 4
    files = sorted(path.name for path in (run.output / "kagami-demo").iterdir())
    assert files == ["comparison.html", "estimate.html", "series.db"]
    if has_nginx and find_envoy():
        shown = {shape(line) for line in output.splitlines()}
        quoted = demo_output((ROOT / "README.md").read_text())
        assert [line for line in quoted if shape(line) not in shown] == [], HOW


@pytest.mark.topology
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_interrupt_leaves_nothing_behind(run: Demo, number: int, code: int) -> None:
    process = run.start("--seconds", "60")
    run.wait_for_traffic(process)
    assert len(run.running()) > 4
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code


@pytest.mark.topology
def test_child_that_ends_early_is_shown(run: Demo) -> None:
    process = run.start("--seconds", "8", "--inline")
    run.wait_for_traffic(process)
    (sidecar,) = (child for child in run.running() if "serve" in child.cmdline())
    sidecar.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "mirror ended during the demo" in output
    assert "mirror | " in output


@pytest.mark.topology
def test_ordinary_user_needs_no_rights(run: Demo) -> None:
    if os.geteuid() != 0:
        pytest.skip("already an ordinary user: the other tests show it")
    pwd.getpwnam("nobody")
    try:
        subprocess.run([sys.executable, "-c", "import mirror"], user="nobody", check=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this checkout is not readable for other users")
    process = run.start("--seconds", "5", user="nobody")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "  NO  " not in output


@pytest.mark.topology
def test_keep_keeps_series_and_logs(run: Demo) -> None:
    kept = run.directory / "kept"
    process = run.start("--seconds", "5", "--inline", "--keep", str(kept))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert (kept / "series.db").is_file() and (kept / "mirror.log").is_file()
    again = run.start("--keep", str(kept))
    output, _ = again.communicate(timeout=60)
    assert again.returncode == 1 and "is not empty" in output
    shutil.rmtree(kept)


def test_a_folder_that_cannot_be_written_starts_nothing(run: Demo) -> None:
    (run.output / "file").touch()
    process = run.start("--output", "file/folder")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output == "Error: file/folder: Not a directory; choose another --output\n"


def test_wrong_option_starts_nothing(run: Demo) -> None:
    process = run.start("--seconds", "0")
    begin = time.monotonic()
    process.communicate(timeout=30)
    assert process.returncode == 2
    assert time.monotonic() - begin < 5


LEDGER = {
    "seen": 10,
    "not_selected": {"method": 2},
    "shed": {},
    "sent": 8,
    "outcomes": {"2xx": 7, "connect_failed": 1},
}


@pytest.mark.parametrize(
    ("changes", "arrived", "logged", "adds_up"),
    [
        ({}, 7, None, True),
        ({}, None, None, True),
        ({}, 7, 10, True),
        ({}, 7, 11, False),
        ({}, 8, None, False),
        ({"probes": {"accepted": 2}}, 9, None, True),
        ({"sent": 7}, 7, None, False),
        ({"seen": 11}, 7, None, False),
        ({"shed": {"budget": 1}}, 7, None, False),
        ({"outcomes": {"2xx": 7}}, 7, None, False),
        ({"amplified": 1, "sent": 9, "outcomes": {"2xx": 9}}, 9, None, True),
    ],
)
def test_sums_are_checked(
    changes: dict[str, object], arrived: int | None, logged: int | None, adds_up: bool
) -> None:
    elsewhere = command.Elsewhere(arrived, logged)
    with open(os.devnull, "w") as nowhere:
        console = Console(file=nowhere)
        assert command._print_sums(console, LEDGER | changes, Tally(sent=10), elsewhere) is adds_up
