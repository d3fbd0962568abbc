"""Checks that the published tables match the result files, and the arithmetic behind them.

Nothing here depends on timing. One tiny run of each instrument against loopback sockets of this
process shows that it works; the numbers that it reads show that it measures what it claims.
"""

import json
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import compare, micro, profile_worker, result, tables
from benchmarks.macro import (
    access_log,
    bodies,
    body_upstream,
    capture_cost,
    client,
    connections,
    cpu_per_request,
    latency,
    live_page,
    mirror_vs_peers,
    wrk,
)
from benchmarks.macro.ways import BODY, MIRRORS, envoy_bootstrap, templates
from benchmarks.micro import __main__ as every_micro
from benchmarks.micro import (
    exchange,
    harness,
    head_parser,
    head_writer,
    heads,
    ledger,
    log_join,
    peak_correction,
    selection,
    uri_counts,
)

SUMMARISE = {
    "mirror_vs_peers": mirror_vs_peers.summarise,
    "latency": latency.summarise,
    "connections": result.medians_of,
    "bodies": result.medians_of,
    "faults": result.medians_of,
    "micro": every_micro.summarise,
    "profile": result.medians_of,
    "peaks": peak_correction.summarise,
    "access_log": access_log.summarise,
    "replay_speed": result.medians_of,
    "replay_schedule": result.medians_of,
    "capture_cost": capture_cost.summarise,
    "import_speed": result.medians_of,
}


# --- tables and results ---


def test_readme_shows_what_was_measured() -> None:
    readme = tables.README.read_text()
    assert all(f"<!-- {name} -->\n" in readme for name in tables.TABLES)
    assert tables.rewritten(readme) == readme


def test_every_table_has_its_result() -> None:
    assert all(tables.path_of(name).is_file() for name in tables.TABLES)
    # test_ground_truth.py tests what follows from the rounds of ground_truth.
    assert tables.TABLES.keys() == SUMMARISE.keys() | {"ground_truth"}


@pytest.mark.parametrize("name", SUMMARISE)
def test_medians_are_those_of_the_rounds(name: str) -> None:
    found = result.read(result.path_of(name))
    assert found["benchmark"] == name
    assert found["medians"] == SUMMARISE[name](found["rounds"])
    assert len(found["rounds"]) == found["parameters"].get("rounds", 1)


def test_stale_table_is_rewritten() -> None:
    readme = tables.README.read_text()
    begin = readme.index("<!-- latency -->\n") + len("<!-- latency -->\n")
    stale = readme[:begin] + "| an old table |\n" + readme[readme.index("<!-- end -->", begin) :]
    assert stale != readme
    assert tables.rewritten(stale) == readme


def test_every_benchmark_has_its_target() -> None:
    makefile = (tables.README.parents[1] / "Makefile").read_text()
    targets = dict(re.findall(r"^bench-(\w+):.*\n\t.* -m (benchmarks\S*)", makefile, re.MULTILINE))
    table_of = {name: table.__module__ for name, table in tables.TABLES.items()}
    assert set(table_of.values()) <= set(targets.values())
    (together,) = re.findall(r"^bench: (.*)", makefile, re.MULTILINE)
    # The profile needs root and perf, and compares nothing.
    alone = {"profile", "compare"}
    assert {f"bench-{name}" for name in targets.keys() - alone} == set(together.split())


def test_unknown_table_is_refused() -> None:
    with pytest.raises(KeyError, match="no_such"):
        tables.rewritten("<!-- no_such -->\n<!-- end -->")


def test_result_is_written_whole(tmp_path: Path) -> None:
    options = result.options_of("x", "x", mirror_vs_peers.add_options, [])
    options.output = tmp_path / "mine.json"
    rounds = [{"a": {"cost": 1.0}}, {"a": {"cost": 4.0}}, {"a": {"cost": 2.0}}]
    result.write(options, rounds, result.medians_of(rounds), note="kept")
    found = result.read(options.output)
    assert found["benchmark"] == "mine"
    assert found["medians"] == {"a": {"cost": 2.0}}
    assert found["parameters"] == {"rounds": 5, "seconds": 4.0, "connections": 32}
    assert found["note"] == "kept"
    assert {"python", "kagami", "uvloop", "commit"} <= found["versions"].keys()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


# --- compare ---


def compared(old: list[float], new: list[float]) -> list[str]:
    def found(values: list[float]) -> dict[str, object]:
        rounds = [{"inline": {"cpu_us": value}} for value in values]
        return {"rounds": rounds, "medians": result.medians_of(rounds)}

    return list(compare.differences(found(old), found(new)))


def test_change_counts_where_rounds_do_not_overlap() -> None:
    (line,) = compared([10, 11, 12], [7, 8, 9])
    assert "-27.3 %" in line
    assert "~" not in line


def test_change_within_the_spread_is_marked() -> None:
    (line,) = compared([10, 11, 12], [8, 9, 10])
    assert "-18.2 % ~" in line
    assert compared([10, 11, 12], [9, 11, 13]) == []


def test_comparison_names_what_differs_besides() -> None:
    old = {"medians": {"gone": {}}, "parameters": {"connections": 32}, "machine": {}}
    new = {"medians": {"come": {}}, "parameters": {"connections": 64}, "machine": {}}
    assert list(compare.unmatched(old | {"versions": {}}, new | {"versions": {}})) == [
        "come: only in NEW",
        "gone: only in OLD",
        "parameters: connections was 32, is 64",
    ]


# --- mirror_vs_peers ---


def test_results_are_of_equal_work() -> None:
    found = result.read(result.path_of("mirror_vs_peers"))
    assert found["ledgers_balanced"]
    assert len(found["rounds"]) >= 5
    for measured in found["rounds"]:
        assert measured.keys() == MIRRORS.keys()
        for name, row in measured.items():
            assert row["errors"] == 0
            assert row["foreign_share"] < cpu_per_request.FOREIGN_SHARE_LIMIT
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
    resources = envoy_bootstrap((1, 2), 3, "http://127.0.0.1:4")["static_resources"]
    ports = {}
    for cluster in resources["clusters"]:
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        address = endpoint["endpoint"]["address"]["socket_address"]
        ports[cluster["name"]] = address["port_value"]
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    (route,) = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert ports[route["route"]["cluster"]] == 3
    assert ports[route["route"]["request_mirror_policies"][0]["cluster"]] == 4


@pytest.mark.parametrize(
    ("shares", "expected"), [([0.01, 0.0], 0.01), ([0.2, 0.3, 0.1, 0.4], 0.1), ([0.2, 0.04], 0.04)]
)
def test_disturbed_run_is_repeated(shares: list[float], expected: float) -> None:
    runs = iter(shares)
    row = cpu_per_request.least_disturbed(lambda: {"foreign_share": next(runs)})
    assert row == {"foreign_share": expected}


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
    assert report.metrics() == {
        "rps": 179162.0,
        "requests": 358324,
        "p50_ms": 0.327,
        "p99_ms": 1.5,
        "errors": 15,
    }


@pytest.mark.parametrize(
    ("said", "expected"), [("99%  1.50ms", 1.5), ("99%  350.00us", 0.35), ("99%  1.20s", 1200.0)]
)
def test_percentile_reads_every_unit(said: str, expected: float) -> None:
    assert wrk.percentile_ms(said, "99%") == expected


# --- latency and its client ---


class Answering:
    """Answers every request on every connection at once, in a separate thread."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.used: set[int] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Closing the socket alone does not wake a thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, (_, port) = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, port), daemon=True).start()

    def _serve(self, connection: socket.socket, port: int) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY.encode()
        with connection:
            while connection.recv(65536):
                self.used.add(port)
                connection.sendall(answer)


@pytest.fixture
def answering() -> Iterator[Answering]:
    app = Answering()
    yield app
    app.close()


def test_client_uses_every_connection_in_turn(answering: Answering) -> None:
    module = [sys.executable, "-m", "benchmarks.macro.client"]
    command = [*module, str(answering.port), "8", "0.1", "400"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ready, _, report = done.stdout.partition("\n")
    assert ready == "connected"
    found = json.loads(report)
    assert 0 < found["p50_ms"] <= found["p90_ms"] <= found["p99_ms"]
    assert len(answering.used) == 8


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2000), (0.51, 3000), (0.99, 4000)])
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert client.percentile_ms([1, 2, 3, 4], share) == expected


def test_a_pause_decides_no_p99_of_tenths() -> None:
    calm = [0.001] * 1000
    assert client.tenths_p99_ms(calm) == 1
    assert client.tenths_p99_ms([*calm[:500], *[0.02] * 30, *calm[530:]]) == 1
    assert client.tenths_p99_ms([0.001 if at % 20 else 0.02 for at in range(1000)]) == 20
    assert client.tenths_p99_ms([0.003]) == 3


def test_latency_is_what_a_way_adds() -> None:
    def found(p50: float, p99: float) -> dict[str, float]:
        return {"p50_ms": p50, "p99_ms": p99, "core_utilisation": 0.5}

    medians = latency.summarise([{"direct": found(0.1, 0.2), "inline": found(0.25, 1.2)}])
    assert medians["inline"]["added_p50_ms"] == 0.15
    assert medians["inline"]["added_p99_ms"] == 1.0


def test_saturated_way_has_no_latency() -> None:
    row = {"p50_ms": 0.1, "p99_ms": 0.2, "lag_p99_ms": 0.04, "core_utilisation": 0.5}
    rounds = [{"direct": row, "nginx_mirror": row | {"p50_ms": 900.0, "core_utilisation": 0.99}}]
    table = latency.table({"rate_rps": 20_000, "medians": latency.summarise(rounds)})
    assert (
        "| nginx_mirror | saturated | saturated | saturated | saturated | 0.040 | 0.99 |" in table
    )


# --- connections ---


def test_flatness_is_per_family() -> None:
    rows = {
        "inline steady 10": {"cpu_us_per_request": 11.0},
        "inline steady 10000": {"cpu_us_per_request": 11.5},
        "inline steady 100": {"cpu_us_per_request": 10.0},
        "inline routes 1": {"cpu_us_per_request": 99.0},
    }
    families = connections.families(rows)
    assert [number for number, _ in families["inline steady"]] == [10, 100, 10_000]
    assert connections.flatness(families["inline steady"]) == pytest.approx(1.15)


def test_overloaded_row_is_marked() -> None:
    row = {"cpu_us_per_request": 12.34, "errors": 0, "missing": 0}
    assert connections.cell(row) == "12.3"
    assert connections.cell(row | {"errors": 1}) == "12.3 †"
    assert connections.cell(row | {"missing": 1}) == "12.3 †"


def test_templates_end_with_the_one_that_is_asked_for() -> None:
    assert templates(1) == ["/watch/{id}"]
    assert len(set(templates(50))) == 50
    assert templates(50)[-1] == "/watch/{id}"


# --- bodies ---


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("transfer", [bodies.upload, bodies.download])
def test_bodies_arrive_whole(
    transfer: Callable[[socket.socket, int, bool], None], framing: str
) -> None:
    ours, theirs = socket.socketpair()
    serving = threading.Thread(target=body_upstream.serve, args=(theirs, False))
    serving.start()
    with ours:
        for _ in range(2):  # the connection stays usable
            transfer(ours, 2 * bodies.MIB, framing == "chunked")
    serving.join()


def test_cut_body_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nxx")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(AssertionError, match="ended after 2 bytes"):
            bodies.download(ours, 99, False)


# --- micro ---


def test_every_micro_case_does_its_work() -> None:
    modules = (exchange, head_parser, head_writer, selection, ledger, uri_counts, log_join)
    cases = {name: case for module in modules for name, case in module.cases().items()}
    assert cases.keys() == result.read(result.path_of("micro"))["medians"].keys()
    for case in cases.values():
        case()
        case()  # a reused parser must read the next head, too


def test_micro_heads_are_what_they_say() -> None:
    browser = heads.BROWSER.split(b"\r\n")
    assert len(browser) - 3 == 12
    (cookie,) = (line for line in browser if line.startswith(b"Cookie: "))
    assert 1000 <= len(cookie) <= 1100
    assert head_parser.read_request(heads.BROWSER).target == b"/watch/42?from=feed"
    assert head_parser.read_response(heads.RESPONSE).status == 200


def test_harness_measures_cpu_per_call() -> None:
    calls = 0

    def case() -> None:
        nonlocal calls
        calls += 1

    rounds = harness.measure({"counting": case}, rounds=2, seconds=0.001)
    assert len(rounds) == 2
    assert 0 < rounds[0]["counting"]["cpu_us"] < 1000
    assert calls > 10
    assert "| counting |" in micro.table({"medians": every_micro.summarise(rounds)})


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
    output = (
        "51096,,syscalls:sys_enter_read,999,100.00,,\n0,,syscalls:sys_enter_close,999,100.00,,\n"
    )
    assert profile_worker.read_stat(output) == {"read": 51096}


def test_samples_become_shares_of_the_accounted_time() -> None:
    samples = Counter({"write": 30, "read": 10})
    assert profile_worker.divided(60.0, samples) == {"write": 45.0, "read": 15.0}


def test_profiles_stand_side_by_side() -> None:
    kinds = (profile_worker.TOTAL, profile_worker.PLACES, profile_worker.FUNCTIONS)
    medians: result.Round = {f"{way}: {kind}": {} for way in ("a", "b") for kind in kinds}
    medians["a: " + profile_worker.CALLS] = {"read": 3.0, "brk": 0.001}
    medians["b: " + profile_worker.CALLS] = {"recvfrom": 2.0}
    lines = profile_worker.table({"parameters": {"ways": ["a", "b"]}, "medians": medians})
    assert "| read | 3.00 |  |\n| recvfrom |  | 2.00 |" in lines
    assert "brk" not in lines


def test_python_functions_are_the_innermost() -> None:
    output = "run (a/loop.py:1);write (b/upstream.py:212) 30\nrun (a/loop.py:1) 12\n"
    assert profile_worker.read_py_spy(output) == {
        "write (upstream.py)": 30,
        "run (loop.py)": 12,
    }


def test_the_live_page_costs_what_viewers_add() -> None:
    rounds = [
        {
            "no viewers": {"cpu_percent": 0.5 + more, "bytes_per_second": 0.0},
            "1 viewer": {"cpu_percent": 0.8 + more, "bytes_per_second": 3000.0},
        }
        for more in (0.0, 0.1, 0.7)
    ]
    medians = live_page.summarise(rounds)
    assert medians["1 viewer"]["added_percent"] == 0.3
    assert "| 1 viewer | 0.90 | 0.30 | 3.0 |" in live_page.table({"medians": medians})
    assert [live_page.name_of(number) for number in (0, 1, 8)] == [
        *("no viewers", "1 viewer", "8 viewers")
    ]
