"""Checks the command `mirror serve`: refusals, output and shutdown."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import mirror.commands.serve as module
from mirror.build import IS_COMPILED
from mirror.demo.processes import Processes, answers, free_ports
from mirror.demo.sidecar import serve_command, start_sidecar, write_config


def serve(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mirror", "serve", "-c", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=path.parent,
    )


def config(directory: Path) -> dict[str, object]:
    port, admin, shadow = free_ports(3)
    return {
        "mode": "sink",
        "listen": f"127.0.0.1:{port}",
        "shadow": {"url": f"http://127.0.0.1:{shadow}"},
        "series": {"path": str(directory / "series.db")},
        "admin": f"127.0.0.1:{admin}",
    }


def test_every_problem_of_a_configuration_is_listed_and_nothing_starts(tmp_path: Path) -> None:
    path = tmp_path / "mirror.yaml"
    path.write_text(
        "mode: sink\nlisten: unix:run/m.sock\nworkrs: 2\n"
        "shadow: {url: 'http://127.0.0.1:1', ratio: all}\n"
    )
    done = serve(path)
    assert done.returncode == 2
    assert 'shadow.ratio: expected a number from 0 to 10, got "all"' in done.stderr
    assert "workrs: unknown key; did you mean workers?" in done.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mirror.yaml"]


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    done = serve(tmp_path / "none.yaml")
    assert done.returncode == 2
    assert "none.yaml: no such file" in done.stderr


def test_a_taken_address_is_refused_and_named(tmp_path: Path) -> None:
    settings = config(tmp_path)
    address = str(settings["listen"])
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        done = serve(write_config(tmp_path, settings))
    assert done.returncode == 2
    assert f"cannot listen on {address}" in done.stderr


def test_a_taken_admin_port_names_who_holds_it(tmp_path: Path) -> None:
    settings = config(tmp_path)
    address = str(settings["admin"])
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        done = serve(write_config(tmp_path, settings))
    assert done.returncode == 2
    assert f"cannot listen on admin {address}: Address already in use, by " in done.stderr
    assert "write another address as `admin:` into mirror.yaml" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr


def test_a_worker_takes_what_its_descriptors_cover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "raise_limit", lambda: 2000)
    loaded, _ = asyncio.run(module._load(str(write_config(tmp_path, config(tmp_path)))))
    assert 0 < loaded.max_connections < 2000


def test_a_second_start_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    settings = config(tmp_path)
    settings["listen"] = f"unix:{tmp_path}/mirror.sock"
    with Processes(tmp_path) as processes:
        first = start_sidecar(processes, tmp_path, settings)
        second = processes.start("second", serve_command(tmp_path / "mirror.yaml"))
        assert second.wait(15.0) == 2
        assert "another sidecar" in second.last_lines()
        assert first.status()["ledger"]["seen"] == 0
        assert first.child.stop() == 0
    assert not (tmp_path / "mirror.sock").exists()


def test_a_shadow_that_is_down_is_said_and_does_not_stop_the_start(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with Processes(tmp_path) as processes:
        running = start_sidecar(processes, tmp_path, settings)
        assert "starting without the shadow" in running.child.last_lines()
        assert running.child.stop() == 0


def test_the_findings_of_a_check_are_logged_and_do_not_stop_the_start(tmp_path: Path) -> None:
    settings = config(tmp_path)
    settings["timeouts"] = {"idle": 5}
    with Processes(tmp_path) as processes:
        running = start_sidecar(processes, tmp_path, settings)
        line = "WARNING warning: host.idle_timeout: timeouts.idle: timeouts.idle is 5s"
        running.child.wait_until(lambda: line in running.child.last_lines())
        assert "shadow.no_connection" not in running.child.last_lines()
        assert running.child.stop() == 0


def test_a_shadow_that_would_log_is_refused(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\n\r\n"
    settings = config(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings["shadow"] = {"url": f"http://127.0.0.1:{server.getsockname()[1]}"}
        answering = threading.Thread(target=answer_once, args=(server, answer))
        answering.start()
        done = serve(write_config(tmp_path, settings))
        answering.join()
    assert done.returncode == 4
    assert "list nginx in shadow.accept_server" in done.stderr
    assert "--accept-server" not in done.stderr
    assert not (tmp_path / "series.db").exists()


def answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)


NO_CAPABILITY = ["setpriv", "--bounding-set=-all", "--no-new-privs"]
NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start it as somebody else")
@pytest.mark.parametrize("who", [[], NOBODY], ids=["root", "nobody"])
def test_it_runs_without_any_capability(who: list[str]) -> None:
    privileges = [*NO_CAPABILITY, *who]
    if subprocess.run([*privileges, "env", sys.executable, "-c", ""]).returncode:
        pytest.skip(f"nobody may not run {sys.executable}")
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        directory = Path(name)
        if who:
            os.chown(directory, 65534, 65534)
        settings = config(directory)
        settings["listen"] = f"unix:{directory}/mirror.sock"
        path = write_config(directory, settings)
        path.chmod(0o644)
        admin = int(str(settings["admin"]).rpartition(":")[2])
        with Processes(directory) as processes:
            child = processes.start("mirror", [*privileges, *map(str, serve_command(path))])
            child.wait_until(lambda: answers(admin, "/readyz", status=200))
            status = Path(f"/proc/{child.pid}/status").read_text()
            assert "CapEff:\t0000000000000000" in status
            assert stat.S_IMODE((directory / "mirror.sock").stat().st_mode) == 0o660
            assert child.stop() == 0


def test_plain_python_says_at_start_how_to_be_compiled(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        sidecar = start_sidecar(processes, tmp_path, config(tmp_path))
        output = sidecar.child.last_lines()
    assert ("`pip install .` makes the compiled one" in output) == (not IS_COMPILED)
