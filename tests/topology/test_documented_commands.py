"""Runs the commands of the documents, page by page, on a host that is prepared as the pages say.

tests/test_documented_commands.py finds the lines and knows which ones cannot be run. `mirror` and
`estimate` run in this process; whatever else a line needs runs in bash, where the programs that
cannot be run do nothing. What a page calls an address or a path is a port of this machine or a file
of the test, a load is shorter, and a week of traffic is two hours.
"""

import glob
import http.client
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import ClassVar
from urllib.parse import parse_qs

import pytest
import yaml
from click.testing import CliRunner

from mirror.audit.canary import search
from mirror.commands import compare, status
from mirror.commands.replaying import replay_table
from mirror.commands.series_file import SeriesFile
from mirror.demo.processes import fetch
from mirror.errors import InputError
from mirror.formats.replay_result import to_json
from mirror.replay.measurement import Measure
from mirror.replay.result import step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep
from tests.fakes_datadog import FakeDatadog
from tests.golden import man_pages, reference
from tests.mirror.replay.test_result import measure, result
from tests.test_documented_commands import (
    NOT_RUN,
    PROGRAMS,
    ROOT,
    Statement,
    commands,
    is_not_run,
    is_run_elsewhere,
    simple_commands,
    statements,
)
from tests.topology.conftest import Topology, require, running_topology, wait_for

pytestmark = [pytest.mark.topology, pytest.mark.one_python]

START = 1_772_442_000
"""Where the made-up traffic begins: 2026-03-02 09:00 UTC, the instant that the pages name."""
SECONDS = 7200
CONTAINERS = {
    "site-gateway": ("istio-proxy", "nginx"),
    "istio-ingressgateway": ("istio-proxy", "nginx"),
    "watch": ("app", "istio-proxy"),
    "api": ("app", "istio-proxy"),
}
MAKES = {"docs/estimate.md": "series.db", "docs/making-a-table.md": "table.yaml"}
"""The file that the commands of a page make, which is therefore not there before."""
CODES = {
    "check": {0, 1},
    "compare": {0, 3, 5},
    "audit": {0, 3},
    "canary": {0, 3},
    "replay": {0, 1, 3},
    "estimate": {0, 3, 5},
}
"""Exit codes other than 0 that are answers: a judgement depends on the traffic, which is little
here, and a replay also on how busy this machine is. The code for bad input is in none of them."""


class Elsewhere(BaseHTTPRequestHandler):
    """Plays Prometheus, and Datadog where monitors are created."""

    posted: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/api/v1/monitor":
            self.posted.append(json.loads(body))
            self.answer({})
        else:
            form = {name: values[0] for name, values in parse_qs(body).items()}
            data = {"resultType": "matrix", "result": list(series(**form))}
            self.answer({"status": "success", "data": data})

    def answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log."""


def series(query: str, start: str, end: str, step: str, **_: str) -> Iterator[dict[str, object]]:
    """Yield the usage of a component's containers, or rps where no component is named.

    A short test has many samples, too.
    """
    step_s = float(step.rstrip("s")) if float(end) - float(start) > 1000 else 0.25
    times = [n * step_s for n in range(ceil(float(start) / step_s), ceil(float(end) / step_s))]
    named = re.search(r'pod=~"([a-z-]+)-\(', query)
    metrics = [{"route": "/watch/_id_"}]
    if named:
        names = CONTAINERS[named[1]]
        metrics = [{"pod": f"{named[1]}-0", "container": name} for name in names]
    value = "200000000" if "memory" in query else "100"
    for metric in metrics:
        yield {"metric": metric, "values": [[at, value] for at in times]}


@dataclass(frozen=True)
class Host:
    """The running programs, and the folder that takes the place of `/`."""

    topology: Topology
    root: Path
    words: dict[str, str]
    """What a page writes, and what it is here."""
    datadog: FakeDatadog

    @property
    def nginx_t(self) -> str:
        """Return what `nginx -T` prints; it is the standard input of every command of ours."""
        name = "/etc/nginx/nginx.conf"
        return f"# configuration file {name}:\n{Path(self.here(name)).read_text()}"

    def here(self, text: str) -> str:
        text = re.sub("|".join(map(re.escape, self.words)), lambda word: self.words[word[0]], text)
        text = re.sub(r"--since \w+", "--since 1d", text)
        text = re.sub(r"--steps \S+ --hold \w+", "--steps 40 --hold 500ms", text)
        return re.sub(r"(?<![\w/.-])/(?=(etc|replay|usr|var)/)", f"{self.root}/", text)

    def run_ours(self, program: str, *words: str) -> tuple[int, str]:
        """Run a command of ours; return its exit code and what it printed."""
        text = self.here(shlex.join(words))
        if program == "estimate":
            # It gets two hours, and the sidecar has seen a few seconds.
            text = text.replace("/var/lib/mirror/series.db", "/var/lib/week/series.db")
        if "--from-datadog" in words:
            text += f" --api-url {self.datadog.url}"
        words = tuple(shlex.split(text))
        if words[0] == "replay-merge":
            words = (words[0], *sorted(glob.glob(words[1])), *words[2:])
        result = CliRunner().invoke(PROGRAMS[program], words, input=self.nginx_t)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return result.exit_code, result.output

    def run_shell(self, text: str) -> tuple[int, str]:
        """Run a line in bash; what cannot be run does nothing, but kubectl keeps a file."""
        stubs = "".join(f"{name}() {{ :; }}\n" for name in NOT_RUN.keys() - {"python3"})
        stubs += (
            'kubectl() { if [[ "$*" == *" -f "* ]]; then cat "${@: -1}" > applied.yaml; fi; }\n'
        )
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", stubs + self.here(text)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.returncode, done.stdout + done.stderr


def pages() -> dict[str, list[Statement]]:
    """Return what is run here, by page: a line of which ours, or the first program, can be run."""
    found: dict[str, list[Statement]] = {}
    for each in statements():
        first, *_ = [*commands(each.text), *simple_commands(each.text)]
        if not is_not_run(first) and not is_run_elsewhere(each):
            found.setdefault(each.page, []).append(each)
    return found


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    for program in ("curl", "jq"):
        require(program)
    with (
        running_topology() as topology,
        ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as fake,
        FakeDatadog() as datadog,
    ):
        last_hour = dict.fromkeys(range(int(time.time()) - 3600, int(time.time())), 100.0)
        for metric in ("mirror.rps", "istio.mesh.request.count"):
            datadog.points[metric] = {"/watch/_id_": last_hour}
        Thread(target=fake.serve_forever, args=(0.02,), daemon=True).start()
        ports, root = topology.ports, topology.directory / "root"
        _, log_nginx = topology.start_gateway_pod()
        topology.start_primary()
        nginx = topology.start_nginx("sink")
        sidecar = topology.start_sidecar(
            "sink",
            routes=["/watch/{id}", "/api/*", "/cart"],
            capture={"path": str(root / "var/lib/mirror/capture")},
            comparison={"access_log": f"file:{nginx.access_log}"},
        )
        prepare(topology, root)
        with closing(http.client.HTTPConnection("127.0.0.1", nginx.port)) as client:
            for number in range(100):
                for path in (f"/watch/{number}", "/api/me", "/cart"):
                    client.request("GET", path, headers={"Host": "www.example.com"})
                    client.getresponse().read()
        # Workers report once a second, URIs last.
        assert wait_for(lambda: b"/watch/" in answer_of(sidecar.admin_port, "/uris"))
        # On a fast machine that is before the end of the first whole second.
        assert wait_for(lambda: has_observed_a_second(topology.series))
        elsewhere = f"http://127.0.0.1:{fake.server_address[1]}"
        words = {
            "127.0.0.1:9911": f"127.0.0.1:{ports['admin']}",
            "127.0.0.1:9912": f"127.0.0.1:{ports['admin']}",
            "10.0.0.5:9911": f"127.0.0.1:{ports['admin']}",
            # The same sidecar twice would be refused; a saved answer is taken in its place.
            "10.0.0.6:9911": str(ROOT / "docs/comparison-example/web-2.json"),
            "127.0.0.1:8080": f"127.0.0.1:{nginx.port}",
            "127.0.0.1:30080": f"127.0.0.1:{ports['envoy']}",
            "10.0.0.12:30080": f"127.0.0.1:{ports['envoy']}",
            "10.0.0.12:30081": f"127.0.0.1:{log_nginx.port}",
            "NODE:30080": f"127.0.0.1:{ports['envoy']}",
            "http://prometheus:9090": elsewhere,
            "http://prometheus-operated.monitoring.svc.cluster.local:9090": elsewhere,
            "https://prometheus.example.com": elsewhere,
            "https://api.$DD_SITE": elsewhere,
            "http://www.example.com/": f"http://127.0.0.1:{nginx.port}/",
            "https://www.example.com/": f"http://127.0.0.1:{nginx.port}/",
            "$(cat envoy.pid)": str(os.getpid()),
        }
        yield Host(topology, root, words, datadog)
        fake.shutdown()


def answer_of(port: int, target: str) -> bytes:
    answer = fetch(port, target)
    return answer.body if answer else b""


def has_observed_a_second(path: Path) -> bool:
    try:
        with SeriesFile(path) as series:
            series.span()
    except InputError:
        return False
    return True


def prepare(topology: Topology, root: Path) -> None:
    """Write the files that the pages read, under the names that they use."""
    for name in (
        "etc/mirror-token",
        "etc/apache2",
        "etc/nginx/conf.d",
        "usr/local/share/man/man1",
        "var/lib/week",
    ):
        (root / name).mkdir(parents=True)
    (root / "replay/results").mkdir(parents=True)
    for index in range(2):
        counted = measure(1000, 2000)
        step = step_result(MeasuredStep(Step(10, 0, 300), Measure(), counted, START, 240.0, 0.5))
        shard = result(counted, shard=f"{index}/2", steps=[step])
        (root / f"replay/results/{index}.json").write_text(to_json(shard))
    (root / "etc/mirror-token/token").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/mirror-token/token").chmod(0o600)
    gateway_log = topology.directory / "log_nginx/access.log"
    live = {
        "etc/mirror/mirror.yaml": topology.directory / "mirror.yaml",
        "etc/nginx/nginx.conf": topology.directory / "nginx/nginx.conf",
        "var/lib/mirror/series.db": topology.series,
        "var/log/nginx/access.log": topology.directory / "nginx/access.log",
        "var/log/nginx/mirror.log": topology.directory / "nginx/access.log",
        "var/log/pods/site-gateway_site-gateway-1/nginx/0.log": gateway_log,
        "work/access.log": topology.directory / "nginx/access.log",
        "work/capture": root / "var/lib/mirror/capture",
        "work/constraints.txt": ROOT / "constraints.txt",
        "work/deploy": ROOT / "deploy",
        "work/gateway.log": gateway_log,
        "work/mirror.yaml": topology.directory / "mirror.yaml",
        "work/nginx.conf": topology.directory / "nginx/nginx.conf",
        "work/production.log": topology.directory / "nginx/access.log",
        "work/replay-job.yaml": ROOT / "deploy/kubernetes/replay-job.yaml",
    }
    for name, path in live.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(path)
    work = root / "work"
    shutil.copy(root / "etc/mirror-token/token", work)
    (work / "envoy.log").touch()
    man_pages.write(work / "build/man")
    for name in ("docs/example", "docs/switching-example"):
        shutil.copytree(ROOT / name, work / name)
    shutil.copytree(ROOT / "docs/example", work, dirs_exist_ok=True)
    sql = (work / "series.sql").read_text()
    sql = sql.replace("1767225600", str(START)).replace("604799", str(SECONDS - 1))
    sql += f"INSERT INTO counts VALUES ({START}, 'requests', '/cart', 'safe', 1);"
    (work / "docs/example/series.sql").write_text(sql)
    with closing(sqlite3.connect(work / "series.db")) as database:
        database.executescript(sql)
    shutil.copy(work / "series.db", root / "var/lib/week")
    (work / "routes").mkdir()
    routes = (ROOT / "deploy/kubernetes/gateway/istio.yaml").read_text()
    last = "- uri: {prefix: /static/}"
    routes = routes.replace(last, f"{last}\n        - uri: {{exact: /cart}}")
    (work / "routes/istio.yaml").write_text(routes)


@pytest.mark.parametrize("page", pages())
def test_page(page: str, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(host.root / "work", tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    if page in MAKES:
        Path(MAKES[page]).unlink()
    change_defaults(host, monkeypatch)
    for name in ("DD_API_KEY", "DD_APP_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    is_loaded = False
    for each in pages()[page]:
        ours = list(commands(each.text))
        for words in ours:
            if words[:2] == ["mirror", "serve"]:
                continue  # so does the fixture
            if is_loaded and words[0] == "estimate":
                # A second of load makes no row that an estimate may use.
                shutil.copy(ROOT / "docs/example/table.yaml", ".")
            is_loaded |= words[1] == "replay"
            code, printed = host.run_ours(*words)
            expected = CODES.get(words[1], CODES.get(words[0], {0}))
            assert code in expected, (each, printed)
            assert "no sidecar answers" not in printed
        if not ours:
            code, printed = host.run_shell(each.text)
            assert code == 0, (each, printed)
            if Path("applied.yaml").exists():
                (item,) = yaml.safe_load_all(Path("applied.yaml").read_text())
                assert item["kind"] in ("Job", "PrometheusRule")


def test_every_monitor_is_sent(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(host.root / "work")
    Elsewhere.posted.clear()
    (line,) = pages()["docs/metrics.md"]
    assert host.run_shell(line.text) == (0, "{}" * len(Elsewhere.posted))
    monitors = json.loads((ROOT / "deploy/datadog/monitors.json").read_text())
    assert [each["name"] for each in Elsewhere.posted] == [each["name"] for each in monitors]
    assert all(each["message"].endswith(" @slack-site") for each in Elsewhere.posted)


def change_defaults(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands ask the sidecar of the test, not wait for what does not come, and stay in
    this process. `--follow` ends by Ctrl-C after one answer."""
    here = host.words[compare.DEFAULT]
    monkeypatch.setattr(compare, "DEFAULT", here)
    defaults = {"admin": here, "admins": (here,), "wait_s": "500ms"}
    for _, command in reference.commands():
        for param in command.params:
            if param.name in defaults:
                monkeypatch.setattr(param, "default", defaults[param.name])
    monkeypatch.setattr(search, "SETTLE_S", 0.1)
    monkeypatch.setattr(search, "PIPE_SETTLE_S", 0.1)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    def run(command: list[str], **_: object) -> SimpleNamespace:
        assert tuple(command[:4]) == replay_table.ESTIMATE
        result = CliRunner().invoke(PROGRAMS["estimate"], command[3:])
        return SimpleNamespace(returncode=result.exit_code, stderr=result.stderr)

    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=interrupt))
    monkeypatch.setattr(replay_table, "subprocess", SimpleNamespace(run=run))
