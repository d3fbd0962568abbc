"""Checks the output and exit codes of `mirror check`."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mirror.demo.processes import Processes, free_ports
from mirror.demo.sidecar import start_sidecar

CONFIG = """
mode: sink
listen: 127.0.0.1:{listen}
admin: 127.0.0.1:{admin}
shadow: {{url: "http://127.0.0.1:{port}", timeout: {timeout}, methods: [GET, HEAD]}}
routes: ["/watch/{{id}}"]
max_connections: 100
"""
ISTIO = b"HTTP/1.1 200 OK\r\nserver: istio-envoy\r\ncontent-length: 0\r\n\r\n"
NGINX = b"HTTP/1.1 200 OK\r\nserver: nginx/1.22.1\r\ncontent-length: 0\r\n\r\n"
ROUTE_MISS = b"HTTP/1.1 404 Not Found\r\nserver: istio-envoy\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def answering(response: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Run a server for one connection; yield its port and the request that it received."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                requests.append(connection.recv(65536))
                connection.sendall(response)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], requests
        thread.join()


def filled(text: str, port: int, timeout_s: float = 5) -> str:
    """Return a configuration with ports that nobody holds."""
    listen, admin = free_ports(2)
    return text.format(port=port, timeout=timeout_s, listen=listen, admin=admin)


def check(
    directory: Path, port: int, *options: str, text: str = CONFIG, timeout_s: float = 5
) -> subprocess.CompletedProcess[str]:
    path = directory / "mirror.yaml"
    path.write_text(filled(text, port, timeout_s))
    return subprocess.run(
        [sys.executable, "-m", "mirror", "check", "-c", str(path), *options],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_accepted_shadow(tmp_path: Path) -> None:
    with answering(ISTIO) as (port, requests):
        done = check(tmp_path, port)
    assert done.returncode == 0, done.stderr
    assert f"shadow http://127.0.0.1:{port} is accepted: server istio-envoy" in done.stdout
    warnings = [line for line in done.stderr.splitlines() if "running as root" not in line]
    assert warnings == []
    assert requests[0].startswith(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)


def test_effective_settings_are_shown(tmp_path: Path) -> None:
    with answering(ISTIO) as (port, _):
        shown = check(tmp_path, port).stdout
    for line in [
        "mode     sink",
        "listen   127.0.0.1:",
        f"shadow   http://127.0.0.1:{port}, ratio 1, GET HEAD",
        "routes   /watch/{id}",
        "workers  1",
        "datadog  off",
        "timeouts shadow 5s, head 10s, idle 1m15s, connect 1s, resolve 30s, primary 1m, drain 10s",
        "series   series.db, seconds are kept for 35d",
        "admin    127.0.0.1:",
    ]:
        assert f"  {line}" in shown
    assert "  primary  " not in shown


def test_nginx_is_refused_with_4(tmp_path: Path) -> None:
    with answering(NGINX) as (port, _):
        done = check(tmp_path, port)
    assert done.returncode == 4
    assert "is refused: server: nginx/1.22.1" in done.stderr
    assert "list nginx in shadow.accept_server" in done.stderr
    assert "accepted:" not in done.stdout


def test_nginx_is_accepted_by_name(tmp_path: Path) -> None:
    with answering(NGINX) as (port, _):
        assert check(tmp_path, port, "--accept-server", "nginx").returncode == 0
    with answering(ISTIO) as (port, _):  # the configured names still are
        assert check(tmp_path, port, "--accept-server", "nginx").returncode == 0


def test_configured_names_replace_the_defaults(tmp_path: Path) -> None:
    text = CONFIG.replace("timeout:", "accept_server: [nginx], timeout:")
    with answering(NGINX) as (port, _):
        assert check(tmp_path, port, text=text).returncode == 0
    with answering(ISTIO) as (port, _):
        assert check(tmp_path, port, text=text).returncode == 4


def test_warning_leaves_it_accepted(tmp_path: Path) -> None:
    with answering(ROUTE_MISS) as (port, requests):
        done = check(tmp_path, port, "--host", "www.example.com")
    assert done.returncode == 0
    assert "warning: 404 from the Envoy itself" in done.stderr
    assert b"\r\nHost: www.example.com\r\n" in requests[0]


def test_unreachable_shadow_is_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = check(tmp_path, port)
    assert done.returncode == 3
    assert "cannot be checked: connection refused" in done.stderr


def test_silent_shadow_is_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = check(tmp_path, listener.getsockname()[1], timeout_s=0.2)
    assert done.returncode == 3
    assert "no answer within 0.2 s" in done.stderr


def test_every_configuration_problem_is_listed(tmp_path: Path) -> None:
    done = check(tmp_path, 1, text="mode: both\nshadow: {{url: x, ratio: all}}\n")
    assert done.returncode == 2
    for key in ("mode:", "listen:", "shadow.url:", "shadow.ratio:"):
        assert key in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_key_file_is_2(tmp_path: Path) -> None:
    done = check(tmp_path, 1, text=CONFIG + "capture: {{path: c, key_file: none}}\n")
    assert done.returncode == 2
    assert "capture.key_file: none cannot be read" in done.stderr


def test_what_a_start_would_refuse_is_2(tmp_path: Path) -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))  # it does not listen, so that nobody waits for its answer
        taken = f"127.0.0.1:{owner.getsockname()[1]}"
        done = check(tmp_path, 1, text=CONFIG.replace("127.0.0.1:{admin}", taken))
    assert done.returncode == 2
    assert f"mirror.yaml: admin: cannot listen on {taken}: Address already in use" in done.stderr
    assert "mode     sink" in done.stdout and "running" not in done.stdout


def running_config(directory: Path) -> dict[str, Any]:
    port, admin = free_ports(2)
    return {
        "listen": [f"127.0.0.1:{port}", f"unix:{directory}/m.sock"],
        "admin": f"127.0.0.1:{admin}",
        "shadow": {"url": "http://127.0.0.1:1"},
        "series": {"path": f"{directory}/series.db"},
    }


def test_a_running_sidecar_of_this_configuration_is_no_obstacle(tmp_path: Path) -> None:
    settings = running_config(tmp_path)
    text = yaml.safe_dump(settings).replace("http://127.0.0.1:1", "http://127.0.0.1:{port}")
    with Processes(tmp_path) as processes, answering(ISTIO) as (port, _):
        sidecar = start_sidecar(processes, tmp_path, settings)
        done = check(tmp_path, port, text=text)
        assert done.returncode == 0, done.stderr
        assert f"these addresses is running (pid {sidecar.status()['pid']})" in done.stdout
        assert (tmp_path / "m.sock").is_socket()
        assert sidecar.child.stop() == 0


def test_the_ports_of_another_sidecar_are_taken(tmp_path: Path) -> None:
    settings = running_config(tmp_path)
    (other,) = free_ports(1)
    with Processes(tmp_path) as processes:
        sidecar = start_sidecar(processes, tmp_path, settings)
        done = check(tmp_path, 1, text=yaml.safe_dump(settings | {"listen": f"127.0.0.1:{other}"}))
        assert done.returncode == 2
        assert f"admin: cannot listen on {settings['admin']}" in done.stderr
        assert sidecar.child.stop() == 0


def test_a_socket_that_nginx_cannot_reach_is_warned_of(tmp_path: Path) -> None:
    listen = f'{{{{path: "{tmp_path}/m.sock", mode: "0600"}}}}'
    text = CONFIG.replace("127.0.0.1:{listen}", listen)
    with answering(ISTIO) as (port, _):
        done = check(tmp_path, port, text=text)
    assert done.returncode == 0
    assert "m.sock: nginx may be unable to connect: mode 0600 lets only the owner" in done.stderr


def test_missing_file_is_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mirror", "check", "-c", str(tmp_path / "none.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "none.yaml: no such file" in done.stderr


def test_host_with_a_line_break_is_2(tmp_path: Path) -> None:
    done = check(tmp_path, 1, "--host", "a\r\nx: y")
    assert done.returncode == 2
    assert "expected a host name" in done.stderr


def test_help_documents_the_exit_codes(tmp_path: Path) -> None:
    shown = check(tmp_path, 1, "--help").stdout
    for code, word in [(0, "accepted"), (2, "cannot be used"), (3, "reached"), (4, "refused")]:
        assert any(
            line.strip().startswith(f"{code}  ") and word in line for line in shown.split("\n")
        )
    assert "mirror check -c mirror.yaml" in shown


def test_what_nginx_mirrors_twice_is_spoken_of(tmp_path: Path) -> None:
    with answering(ISTIO) as (port, _):
        done = check(tmp_path, port)
    assert "nginx must set X-Mirror-Request-Id to $request_id" in done.stdout
    with answering(ISTIO) as (port, _):
        done = check(tmp_path, port, text=CONFIG + "request_id_header: null\n")
    assert "off: a request that nginx mirrors twice (index redirect) counts twice" in done.stdout


def test_the_way_to_the_ratio_is_shown(tmp_path: Path) -> None:
    text = CONFIG.replace(
        "methods", 'sticky: "cookie:id", ramp: {{to_ratio: 0.5, duration: 90m}}, methods'
    )
    with answering(ISTIO) as (port, _):
        done = check(tmp_path, port, text=text)
    assert "ratio 0.01 to 0.5 in 1h30m sticky by cookie:id, GET HEAD" in done.stdout


def test_what_goes_wrong_under_load_is_warned_of(tmp_path: Path) -> None:
    text = CONFIG.replace("max_connections: 100", "max_connections: 1000000\ntimeouts: {{idle: 5}}")
    text = f"{text}workers: 1\n"
    program = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096));"
        "runpy.run_module('mirror', run_name='__main__')"
    )
    path = tmp_path / "mirror.yaml"
    with answering(ISTIO) as (port, _):
        path.write_text(filled(text, port))
        done = subprocess.run(
            [sys.executable, "-c", program, "check", "-c", str(path)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert "may open 4096 descriptors and could need 1000576" in done.stderr
    assert "timeouts.idle is 5s: by default nginx keeps its connections" in done.stderr
