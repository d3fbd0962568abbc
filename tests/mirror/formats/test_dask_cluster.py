"""Counts logs on a real Dask scheduler with worker processes on loopback."""

import gzip
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import mirror.errors
from estimator.errors import InputError
from estimator.series.access_log.files import files_of
from estimator.series.access_log.total import read_access_logs
from estimator.series.access_log.workers import Workers
from mirror.capture.importing import Importing, ImportWorkers, import_files
from mirror.capture.sorter import Sorter
from mirror.demo.processes import Child, Processes, accepts, free_ports
from mirror.formats import dask_cluster
from mirror.formats.routes import RouteTable

T = 1_767_225_600
ROUTES = RouteTable(["/watch/{id}", "/api/*"])
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    address: str
    workers: tuple[Child, Child]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start a scheduler and two workers; nothing starts a worker again."""
    (port,) = free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    with Processes(tmp_path) as processes:
        scheduler = ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        processes.start("scheduler", dask(*scheduler)).wait_until(lambda: accepts(port), START_S)
        worker = ("worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard")
        own = ("--host", "127.0.0.1", "--local-directory", str(tmp_path))
        one, two = (processes.start(f"worker-{n}", dask(*worker, *own)) for n in (1, 2))
        for child in (one, two):
            child.wait_until(lambda child=child: "Registered to" in child.last_lines(), START_S)
        yield Cluster(address, (one, two))


def dask(program: str, *arguments: str) -> list[str | Path]:
    return [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]


def write_logs(folder: Path, number: int, lines: int) -> list[str]:
    """Write packed logs, one for each minute, each with a line that is no request."""
    names = []
    for log in range(number):
        minute = time.strftime("%d/%b/%Y:%H:%M", time.gmtime(T + 60 * log))
        text = "".join(
            f'192.0.2.1 - - [{minute}:{line % 60:02} +0000] "GET /watch/{line} HTTP/1.1" 200 5\n'
            for line in range(lines)
        )
        path = folder / f"access.log.{log:02}.gz"
        path.write_bytes(gzip.compress(text.encode() + b"rubbish\n", 1))
        names.append(str(path))
    return names


def test_a_lost_worker_is_no_lost_line(cluster: Cluster, tmp_path: Path) -> None:
    logs = write_logs(tmp_path, number=10, lines=20_000)
    alone = read_access_logs(logs, ROUTES, T + 1e6, workers=Workers(jobs=1))
    shown: list[tuple[int, int]] = []

    def kill_one(done: int, total: int) -> None:
        shown.append((done, total))
        if done == 1:
            cluster.workers[0].send_signal(signal.SIGKILL)

    workers = Workers(scheduler=cluster.address, progress=kill_one)
    urls = files_of((f"file://{tmp_path}/access.log.*.gz",))
    together = read_access_logs(urls, ROUTES, T + 1e6, workers=workers)
    assert not cluster.workers[0].is_running
    assert cluster.workers[1].is_running
    assert np.array_equal(together.rps, alone.rps, equal_nan=True)
    assert together.rps.sum() == 200_000
    assert [line.replace("file://", "") for line in together.repairs] == list(alone.repairs)
    assert shown == [(done, 10) for done in range(1, 11)]


def test_files_are_imported_and_refused_as_on_one_machine(cluster: Cluster, tmp_path: Path) -> None:
    logs = write_logs(tmp_path, number=3, lines=300)
    assert imported(logs, tmp_path, ImportWorkers(scheduler=cluster.address)) == imported(
        logs, tmp_path, ImportWorkers()
    )
    packed = Path(logs[1]).read_bytes()
    Path(logs[1]).write_bytes(packed[:-10])
    with pytest.raises(InputError) as alone:
        read_access_logs(logs, ROUTES, T + 1e6)
    with pytest.raises(InputError) as together:
        read_access_logs(logs, ROUTES, T + 1e6, workers=Workers(scheduler=cluster.address))
    assert str(together.value) == str(alone.value)
    assert str(alone.value).startswith(f"{logs[1]}: cannot be read")
    with pytest.raises(mirror.errors.InputError, match="cannot be read"):
        imported(logs, tmp_path, ImportWorkers(scheduler=cluster.address))


def imported(names: list[str], folder: Path, workers: ImportWorkers) -> bytes:
    with closing(Sorter(str(folder))) as sorter:
        import_files(names, Importing(host="h.example"), sorter, str(folder), workers)
        return b"".join(lines for _, _, lines in sorter.lines())


def test_standard_input_cannot_be_read_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--dask: standard input cannot be read"):
        read_access_logs(["-"], ROUTES, T, workers=Workers(scheduler="tcp://127.0.0.1:1"))
    with pytest.raises(mirror.errors.InputError, match="--dask: standard input cannot be read"):
        imported(["-"], tmp_path, ImportWorkers(scheduler="tcp://127.0.0.1:1"))


def test_without_a_scheduler_the_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT_TIMEOUT_S", 0.5)
    (port,) = free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    with pytest.raises(InputError, match=f"--dask: no Dask scheduler answers at {address}"):
        read_access_logs(["a.log"], ROUTES, T, workers=Workers(scheduler=address))
