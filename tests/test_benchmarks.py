"""The published tables are those of the result files, and the arithmetic behind them is right."""

import re

import pytest

from benchmarks import profile_worker, result
from benchmarks.macro import mirror_vs_peers, wrk
from benchmarks.macro.cpu_per_request import FOREIGN_SHARE_LIMIT
from benchmarks.macro.ways import MIRRORS, envoy_bootstrap


def test_readme_shows_the_measured_table() -> None:
    found = result.read(result.path_of("mirror_vs_peers"))
    readme = (result.DIRECTORY.parent / "README.md").read_text()
    shown = re.search(r"<!-- mirror_vs_peers -->\n(.*?)\n<!-- end -->", readme, re.DOTALL)
    assert shown is not None
    assert shown[1] == mirror_vs_peers.table(found)


# --- mirror_vs_peers ---


def test_results_are_of_equal_work() -> None:
    found = result.read(result.path_of("mirror_vs_peers"))
    assert found["ledgers_balanced"]
    assert len(found["rounds"]) >= 5
    assert found["medians"] == mirror_vs_peers.summarise(found["rounds"])
    for each in found["rounds"]:
        assert each.keys() == MIRRORS.keys()
        for name, row in each.items():
            assert row["errors"] == 0
            assert row["foreign_share"] < FOREIGN_SHARE_LIMIT
            assert row["copies_per_request"] == pytest.approx(MIRRORS[name], abs=0.01)


def test_ratios_are_to_every_peer() -> None:
    def found(cpu_us: float) -> dict[str, float]:
        return {"cpu_us_per_request": cpu_us, "rps": 1.0}

    rounds = [
        {"plain": found(10), "nginx_mirror": found(70), "envoy": found(50), "inline": found(30)},
        {"plain": found(10), "nginx_mirror": found(80), "envoy": found(50), "inline": found(40)},
        {"plain": found(90), "nginx_mirror": found(90), "envoy": found(50), "inline": found(50)},
    ]
    inline = mirror_vs_peers.summarise(rounds)["inline"]
    assert inline["cpu_us_per_request"] == 40
    assert inline["cpu_ratio_to_nginx_mirror"] == 0.5
    assert inline["cpu_ratio_to_envoy"] == 0.8
    assert inline["cpu_ratio_to_plain"] == 4


def test_envoy_mirrors_to_a_cluster_of_its_own() -> None:
    resources = envoy_bootstrap((1, 2), app_port=3, shadow_port=4)["static_resources"]
    ports = {
        cluster["name"]: cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"][
            "address"
        ]["socket_address"]["port_value"]
        for cluster in resources["clusters"]
    }
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    (route,) = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert ports[route["route"]["cluster"]] == 3
    assert ports[route["route"]["request_mirror_policies"][0]["cluster"]] == 4


# --- wrk ---

SAID = """
  Latency Distribution
     50%  327.00us
     75%    1.10ms
     90%    1.20ms
     99%   1.50ms
  358324 requests in 2.00s, 50.00MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
"""


def test_wrk_report_is_read() -> None:
    report = wrk.read_report(SAID)
    assert (report.requests, report.elapsed_s) == (358324, 2.0)
    assert (report.p50_ms, report.p99_ms) == (0.327, 1.5)
    assert report.errors == 15


@pytest.mark.parametrize(
    ("said", "expected"), [("99%  1.50ms", 1.5), ("99%  350.00us", 0.35), ("99%  1.20s", 1200.0)]
)
def test_percentile_reads_every_unit(said: str, expected: float) -> None:
    assert wrk.percentile_ms(said, "99%") == expected


# --- profile_worker ---

SCRIPT = """\
python  1657 10528.411028:     250000 cpu-clock:
        ffffffff82203249 _raw_spin_unlock_irqrestore+0x19 ([kernel.kallsyms])
        ffffffff81e3513e sock_def_readable+0x3e ([kernel.kallsyms])
        ffffffff816bba2a ksys_write+0xba ([kernel.kallsyms])
                   f8350 __GI___libc_write+0x10 (/usr/lib/x86_64-linux-gnu/libc.so.6)

python  1657 10528.411272:     250000 cpu-clock:
                   fcbbd _PyEval_EvalFrameDefault+0x204d (/opt/lib/libpython3.11.so.1.0)
            7fec0b451380 [unknown] ([unknown])

nginx  1658 10528.411272:     250000 cpu-clock:
        ffffffff81e1bc01 tcp_sendmsg+0x1 ([kernel.kallsyms])
        ffffffff81e1bc01 do_writev+0x1 ([kernel.kallsyms])

nginx  1658 10528.411272:     250000 cpu-clock:
        ffffffff81e1bc01 asm_sysvec_apic_timer_interrupt+0x1 ([kernel.kallsyms])
"""


def test_samples_are_placed_by_call_or_library() -> None:
    assert [profile_worker.place_of(stack) for stack in profile_worker.read_script(SCRIPT)] == [
        "system: write, waking the reader",
        "user: libpython3",
        "system: writev",
        "system: no call (interrupts, page faults, entry and exit)",
    ]


def test_system_calls_are_counted_by_name() -> None:
    said = "51096,,syscalls:sys_enter_read,999,100.00,,\n0,,syscalls:sys_enter_close,999,100.00,,\n"
    assert profile_worker.read_stat(said) == {"read": 51096}


def test_python_functions_are_the_innermost() -> None:
    said = "run (a/loop.py:1);write (b/upstream.py:212) 30\nrun (a/loop.py:1) 12\n"
    assert profile_worker.read_py_spy(said) == {
        "write (upstream.py:212)": 30,
        "run (loop.py:1)": 12,
    }
