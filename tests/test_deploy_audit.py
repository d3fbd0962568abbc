"""Runs deploy/kubernetes/audit.sh with a kubectl that answers from files, as two clusters would."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.mirror.audit.world import World

SCRIPT = Path(__file__).parents[1] / "deploy" / "kubernetes" / "audit.sh"
# The words of each call are checked as a whole: what the script does not say, kubectl does not do.
KUBECTL = """#!/bin/sh
cd "$WORLD"
follow="logs --follow --since=1s --tail=-1 --max-log-requests=100 -c"
series="mirror series /var/lib/mirror/series.db --export /var/lib/mirror/copy.db --last 7m"
show() { cat "$1"; : >"followed.$1"; exec /bin/sleep 60; }
case "$*" in
"--context blue -n shop $follow nginx -l app=shop-web") show access.log ;;
"--context green -n gw $follow nginx -l app=site-gateway") show gateway.log ;;
"--context green -n gw $follow istio-proxy -l app=site-gateway") show envoy.log ;;
"--context blue -n mirror get pods -l mirror.example.com/sidecar=true -o name")
    printf 'pod/m-0\\npod/m-1\\n' ;;
"--context blue -n mirror exec pod/m-"[01]" -c mirror -- $series")
    mirror series "${6#pod/}.db" --export "${6#pod/}.copy.db" --last 7m ;;
"--context blue -n mirror exec pod/m-"[01]" -c mirror -- cat /var/lib/mirror/copy.db")
    cat "${6#pod/}.copy.db" ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
"""
# The script waits until the logs are there, and not for minutes.
SLEEP = """#!/bin/sh
until [ "$(ls "$WORLD" | grep -c ^followed)" = "$FOLLOWED" ]; do /bin/sleep 0.02; done
"""


def run(world: World, **changes: str) -> subprocess.CompletedProcess[str]:
    folder = world.folder
    world.sources()
    shutil.copy(folder / "series.db", folder / "m-0.db")
    shutil.copy(folder / "series.db", folder / "m-1.db")
    with closing(sqlite3.connect(folder / "m-1.db")) as idle, idle:
        idle.execute("DELETE FROM counts")
    (folder / "bin").mkdir()
    for name, text in (("kubectl", KUBECTL), ("sleep", SLEEP)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    environment = {
        "PATH": f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(folder / "tmp"),
        "WORLD": str(folder),
        "PRODUCTION": "--context blue -n shop",
        "PRODUCTION_PODS": "app=shop-web",
        "SIDECAR": "--context blue -n mirror",
        "GATEWAY": "--context green -n gw",
        "ENVOY": "yes",
        "MINUTES": "2",
        "FOLLOWED": "3",
    }
    (folder / "tmp").mkdir()
    return subprocess.run(
        ["sh", SCRIPT], env=environment | changes, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_ten_minutes_of_two_clusters_are_audited_from_outside(world: World) -> None:
    done = run(world)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("nothing is counted twice, and nothing is missing")
    assert "audit.gateway_silent" in done.stdout
    assert re.search(r"(\d+) logged, \1 seen, .* \1 envoy, 0 gateway\n", done.stdout)
    assert os.listdir(world.folder / "tmp") == []


def test_a_copy_in_the_gateways_log_exits_with_4(world: World) -> None:
    world.requests[-1].is_in_gateway = True
    done = run(world)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "refused: audit.copy_logged" in done.stdout


def test_a_log_that_ends_early_is_no_audit(world: World) -> None:
    done = run(world, GATEWAY="--context wrong", FOLLOWED="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a kubectl logs has ended, so its log is not whole" in done.stderr
    assert os.listdir(world.folder / "tmp") == []


@pytest.mark.parametrize("name", ["PRODUCTION", "PRODUCTION_PODS", "GATEWAY"])
def test_a_missing_word_is_asked_for(world: World, name: str) -> None:
    done = run(world, **{name: ""})
    assert done.returncode != 0 and f"{name}: expected the " in done.stderr
