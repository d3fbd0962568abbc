"""Checks `mirror status`: the words, the exit codes, and output from any answer."""

import copy
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mirror.__main__ import main
from mirror.commands.status import MOST_CHARACTERS, MOST_ENTRIES, shown, wrongs
from mirror.core.wrong_mode import wrong_mode
from mirror.demo.processes import Processes, free_ports
from mirror.demo.sidecar import start_sidecar
from tests.fakes_admin import admin_port

WORKER = {"id": 1, "pid": 12, "ready": True, "retiring": False, "breaker": "closed"}
ANSWER: dict[str, Any] = {
    "version": "0.1.0",
    "pid": 11,
    "mode": "sink",
    "instance": "left",
    "shadow": "http://10.0.0.12:30080",
    "ratio": 0.5,
    "ramp": None,
    "capture": {"path": "c", "recording": True, "until": None},
    "workers": [{**WORKER, "breaker_cause": ""}],
    "worker_restarts": 3,
    "reload": {"reloaded": 1, "refused": 0, "last": None},
    "ledger": {
        "seen": 40,
        "amplified": 1,
        "not_selected": {"method": 4, "ratio": 6},
        "shed": {"breaker_open": 11},
        "sent": 20,
        "reading": 0,
        "outcomes": {"2xx": 17, "timeout": 2},
        "in_flight": 1,
        "probes": {"accepted": 3},
        "primary": {},
        "malformed": {"length": 5},
        "looped": 7,
        "repeated": 8,
        "wrong_mode": 9,
        "balanced": True,
    },
    "uris": {"kept": 9, "most": 10000, "seen": 40, "not_kept": 0, "lost": 0},
    "comparison": {
        "compared": 16,
        "new_error_ratio": 0.0625,
        "results": {"route_miss": 1, "same": 15},
        "uncompared": {"extra_copy": 3},
        "balanced": True,
        "log": {
            "source": "udp://127.0.0.1:9914",
            "lines": 40,
            "matched": 30,
            "without_copy": 6,
            "waiting": 4,
            "lost": {},
            "newest_s": 1795690000.25,
            "offset_s": None,
            "problem": "",
        },
    },
    "last_minute": {"rps": [None, 0, 5, 10], "shadow_rps": [None, 0, 1, 2], "wrong_mode": 0},
    "silence": None,
    "sinks": {"series": {"path": "series.db", "written": 9, "dropped": 0}},
}


def changed(**keys: Any) -> dict[str, Any]:
    """Return ANSWER with other values; `a__b` is the key b of a, or of each of its entries."""
    answer = copy.deepcopy(ANSWER)
    for path, value in keys.items():
        section, _, key = path.partition("__")
        if not key:
            answer[section] = value
            continue
        inner = answer[section]
        for entry in inner if isinstance(inner, list) else [inner]:
            entry[key] = value
    return answer


def run(answer: Any, *arguments: str) -> Result:
    with admin_port(200, json.dumps(answer).encode()) as (port, _):
        options = ["--admin", f"127.0.0.1:{port}", *arguments]
        return CliRunner().invoke(main, ["status", *options])


def test_everything_is_shown() -> None:
    result = run(ANSWER)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "ok: 1 of 1 workers ready, ratio 0.5",
        "  sidecar      version 0.1.0, pid 11, mode sink, instance left",
        "  shadow       http://10.0.0.12:30080",
        "  ledger       seen 40 + amplified 1 = not selected 10 + shed 11 + sent 20 + reading 0",
        "               sent 20 = outcomes 19 + in flight 1",
        "  not selected method 4, ratio 6",
        "  shed         breaker_open 11",
        "  outcomes     2xx 17, timeout 2",
        "  probes       accepted 3",
        "  malformed    length 5",
        "  not counted  looped 7, repeated 8, wrong_mode 9",
        "  worker       id 1, pid 12, ready, breaker closed",
        "  restarts     3",
        "  ramp         none",
        "  capture      path c, recording True",
        "  uris         kept 9, most 10000, seen 40, not_kept 0, lost 0",
        "  compared     compared 16, new_error_ratio 0.0625, results (route_miss 1 same 15), "
        "uncompared (extra_copy 3), balanced True",
        "  access log   source udp://127.0.0.1:9914, lines 40, matched 30, without_copy 6, "
        "waiting 4, newest line 2026-11-26 10:46:40 UTC",
        "  sink         series: path series.db, written 9, dropped 0",
        "  reloads      reloaded 1, refused 0",
        "  rps          |· ▄█| last 10, mean 5.0, peak 10",
        "  shadow rps   |· ▄█| last 2, mean 1.0, peak 2",
    ]


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ({"ledger__balanced": False}, "wrong: the ledger does not balance"),
        ({"workers": []}, "wrong: no worker is ready"),
        ({"workers__ready": False}, "wrong: no worker is ready"),
        ({"workers__retiring": True}, "wrong: no worker is ready"),
        ({"workers__refused": "it is an nginx"}, "wrong: the shadow is refused: it is an nginx"),
        (
            {"last_minute__wrong_mode": 1200},
            f"wrong: {wrong_mode('sink')}; 1,200 requests in the last minute",
        ),
        (
            {"last_minute__wrong_mode": 3, "mode": "inline"},
            f"wrong: {wrong_mode('inline')}; 3 requests in the last minute",
        ),
        (
            {"workers": [], "ledger__balanced": None, "silence": "no request: x"},
            "wrong: no worker is ready; the ledger does not balance; no request",
        ),
    ],
)
def test_what_is_wrong_comes_first_and_is_1(keys: dict[str, Any], first: str) -> None:
    result = run(changed(**keys))
    assert result.exit_code == 1
    assert result.output.splitlines()[0] == first
    assert run(changed(**keys), "--format", "json").exit_code == 1


@pytest.mark.parametrize(
    ("keys", "first", "row"),
    [
        (
            {"silence": "no request at 22:13: why"},
            "no request at 22:13",
            "no request at 22:13: why",
        ),
        (
            {"worker_start_error": "[Errno 11] no"},
            "a worker cannot be started: [Errno 11] no",
            "restarts     3",
        ),
        (
            {"workers__breaker": "open", "workers__breaker_cause": "5 timeouts"},
            "the breaker is open",
            "id 1, pid 12, ready, breaker open (last opened by: 5 timeouts)",
        ),
        (
            {"ramp": {"holding": True, "fallbacks": {"errors": 1}, "last_fall": "p99"}},
            "the ramp fell back",
            "ramp         holding True, fallbacks (errors 1), last_fall p99",
        ),
        (
            {"reload__last": {"at": 1_700_000_000, "result": "refused", "problems": ["a: x"]}},
            "the last reload was refused",
            "refused at 2023-11-14 22:13:20 UTC\n               a: x\n",
        ),
        (
            {"comparison": {"compared": 1000, "new_errors": 90, "last_new_error_s": 1_700_000_000}},
            "not safe to switch: 90 new errors in 1,000 pairs since the start, the last at "
            "2023-11-14 22:13:20 UTC",
            "compared 1000, new_errors 90, last new error 2023-11-14 22:13:20 UTC",
        ),
        (
            {"comparison": {"compared": 1000, "new_errors": 2}},
            "needs attention: 2 new errors in 1,000 pairs",
            "compared 1000, new_errors 2",
        ),
        (
            {"comparison": {"balanced": False}},
            "the comparison does not balance",
            "compared     balanced False",
        ),
        (
            {"comparison": {"uncompared": {"no_log_line": 600, "extra_copy": 9}}},
            "600 of 600 copies were not compared",
            "uncompared (no_log_line 600 extra_copy 9)",
        ),
        (
            {"comparison": {"log": {"problem": "Permission denied"}}},
            "the access log is not read: Permission denied",
            "access log   problem Permission denied",
        ),
        (
            {"comparison": {"log": {"repeated": 5, "offset_s": -7.5}}},
            "the access log counts requests twice: 5 lines; "
            "the access log is -7.5 s off the sidecar's clock",
            "access log   repeated 5, clock off by -7.5 s",
        ),
    ],
)
def test_what_harms_only_the_copies_is_0(keys: dict[str, Any], first: str, row: str) -> None:
    result = run(changed(**keys))
    assert result.exit_code == 0
    assert result.output.startswith(f"attention: {first}\n")
    assert row in result.output


@pytest.mark.parametrize("refused", [None, "", False])
def test_a_worker_that_refuses_nothing_is_fine(refused: object) -> None:
    assert wrongs(changed(workers__refused=refused)) == []


def test_json_is_the_answer() -> None:
    result = run(ANSWER, "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.output) == ANSWER and result.output.count("\n") == 1


def test_no_sidecar_is_3() -> None:
    (port,) = free_ports(1)
    result = CliRunner().invoke(main, ["status", "--admin", f"127.0.0.1:{port}"])
    assert result.exit_code == 3 and f"no sidecar answers on 127.0.0.1:{port}" in result.output
    assert run(["another", "server"]).exit_code == 3


@pytest.mark.parametrize("arguments", [("--format", "xml"), ("--admin", "nowhere"), ("more",)])
def test_nonsense_is_2(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main, ["status", *arguments]).exit_code == 2


def test_help_has_examples_and_exit_codes() -> None:
    output = CliRunner().invoke(main, ["status", "--help"]).output
    assert "mirror status --follow" in output
    assert all(f"\n    {code}  " in output for code in range(4))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*ANSWER, *WORKER, *ANSWER["ledger"], "x\n"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*ANSWER]), VALUES), st.dictionaries(st.text(), VALUES))
def test_any_answer_is_shown_in_printable_lines(
    answer: dict[str, Any], ledger: dict[str, Any]
) -> None:
    text = shown({**answer, "ledger": ledger})
    assert all(line.isprintable() and len(line) <= MOST_CHARACTERS for line in text.split("\n"))


def test_a_huge_answer_is_cut() -> None:
    many = {f"name {number}": "x" * 10_000 for number in range(10_000)}
    answer = changed(
        workers=[WORKER | {"breaker": "\x1b[2J" * 1000}] * 5000,
        ledger__shed=many,
        sinks=dict.fromkeys(many, many),
        silence="s" * 100_000,
        reload={"last": {"at": 1 << 50, "problems": ["p"] * 10_000}},
        last_minute={"rps": [1] * 100_000, "shadow_rps": ["1", True, -1, 1 << 99]},
    )
    lines = shown(answer).split("\n")
    assert len(lines) < 3 * MOST_ENTRIES + 30
    assert all(line.isprintable() and len(line) <= MOST_CHARACTERS for line in lines)


# --- --follow ---


@pytest.mark.parametrize("form", ["text", "json"])
def test_without_a_terminal_each_answer_is_a_block(form: str) -> None:
    with admin_port(200, json.dumps(changed(workers=[])).encode()) as (port, asked):
        command = [sys.executable, "-u", "-m", "mirror", "status", "--follow", "--format", form]
        with subprocess.Popen(
            [*command, "--admin", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True
        ) as following:
            deadline = time.monotonic() + 30
            while len(asked) < 3 and time.monotonic() < deadline:
                time.sleep(0.02)
            following.send_signal(signal.SIGINT)
            output, _ = following.communicate(timeout=10)
    assert following.returncode == 1  # the code of the last answer
    assert "\x1b" not in output
    if form == "json":
        assert all(json.loads(line)["workers"] == [] for line in output.splitlines()[:2])
    else:
        assert output.count("\n\nwrong: no worker is ready\n") >= 1


def test_on_a_terminal_it_is_redrawn_in_colour() -> None:
    with admin_port(200, json.dumps(ANSWER).encode()) as (port, asked):
        leader, follower = pty.openpty()
        command = [sys.executable, "-m", "mirror", "status", "--follow"]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        environment.pop("NO_COLOR", None)
        with subprocess.Popen(
            [*command, "--admin", f"127.0.0.1:{port}"], stdout=follower, env=environment
        ) as following:
            deadline = time.monotonic() + 30
            while len(asked) < 3 and time.monotonic() < deadline:
                time.sleep(0.02)
            following.send_signal(signal.SIGINT)
            assert following.wait(10) == 0
        os.close(follower)
        output = os.read(leader, 1 << 16).decode()
        os.close(leader)
    assert output.count("\x1b[1;32mok: 1 of 1 workers ready") >= 2
    assert "\x1b[1A" in output  # the cursor goes up to draw over the block before


def test_a_real_sidecar_is_shown(tmp_path: Path) -> None:
    listen, admin = free_ports(2)
    settings = {
        "listen": f"127.0.0.1:{listen}",
        "shadow": {"url": "http://127.0.0.1:1"},
        "series": {"path": f"{tmp_path}/series.db"},
        "admin": f"127.0.0.1:{admin}",
    }
    with Processes(tmp_path) as processes:
        sidecar = start_sidecar(processes, tmp_path, settings)
        result = CliRunner().invoke(main, ["status", "--admin", f"127.0.0.1:{admin}"])
        assert result.exit_code == 0, result.output
        assert result.output.startswith("ok: 1 of 1 workers ready, ratio 1\n")
        assert f"pid {sidecar.child.pid}, mode sink" in result.output
        assert "None" not in result.output
        assert sidecar.child.stop() == 0
