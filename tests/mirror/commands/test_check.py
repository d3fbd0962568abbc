"""Checks the output and exit codes of `mirror check`."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.demo.processes import Processes, free_ports
from mirror.demo.sidecar import start_sidecar
from tests.fakes_admin import admin_port

CONFIG = """
mode: sink
listen: 127.0.0.1:{listen}
admin: 127.0.0.1:{admin}
shadow: {{url: "http://127.0.0.1:{port}", timeout: {timeout}, methods: [GET, HEAD]}}
routes: ["/watch/{{id}}"]
max_connections: 100
series: {{path: series.db, max_bytes: 1}}
"""
DUMP = """# configuration file /n/nginx.conf:
http { include site.conf; }

# configuration file /n/site.conf:
server {
    location / { mirror $a; proxy_pass http://app; }
}
"""
ISTIO = b"HTTP/1.1 200 OK\r\nserver: istio-envoy\r\ncontent-length: 0\r\n\r\n"
NGINX = b"HTTP/1.1 200 OK\r\nserver: nginx/1.22.1\r\ncontent-length: 0\r\n\r\n"
ROUTE_MISS = b"HTTP/1.1 404 Not Found\r\nserver: istio-envoy\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def answering(response: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Run a server for every connection; yield its port and the requests that it received."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if not (request := connection.recv(65536)):
                        return
                    requests.append(request)
                    connection.sendall(response)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], requests
        finally:
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def filled(text: str, port: int, timeout_s: float = 5) -> str:
    """Return a configuration with ports that nobody holds."""
    listen, admin = free_ports(2)
    return text.format(port=port, timeout=timeout_s, listen=listen, admin=admin)


def check(
    directory: Path,
    port: int,
    *options: str,
    text: str = CONFIG,
    timeout_s: float = 5,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    path = directory / "mirror.yaml"
    path.write_text(filled(text, port, timeout_s))
    return subprocess.run(
        [sys.executable, "-m", "mirror", "check", "-c", str(path), *options],
        input=stdin,
        cwd=directory,  # of the series, which this user may write
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_accepted_shadow(tmp_path: Path) -> None:
    with answering(ISTIO) as (port, requests):
        done = check(tmp_path, port)
    assert done.returncode == 0, done.stdout
    assert f"note: shadow.accepted at http://127.0.0.1:{port}\n" in done.stdout
    assert "  server istio-envoy answered 200." in done.stdout
    assert "warning:" not in done.stdout and done.stderr == ""
    assert requests[0].startswith(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)


def test_json_holds_the_findings_and_nothing_else(tmp_path: Path) -> None:
    with answering(NGINX) as (port, _):
        done = check(tmp_path, port, "--format", "json")
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode == 4
    worst = document["findings"][0]
    assert (worst["severity"], worst["code"]) == ("refused", "shadow.log_nginx")
    assert worst["where"] == f"http://127.0.0.1:{port}"


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
    assert "refused: shadow.log_nginx at http://127.0.0.1:" in done.stdout
    assert "  server: nginx/1.22.1 (status 200)." in done.stdout
    assert "list nginx in shadow.accept_server" in done.stdout
    assert "shadow.accepted" not in done.stdout


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


def test_a_warning_is_1_and_leaves_it_accepted(tmp_path: Path) -> None:
    with answering(ROUTE_MISS) as (port, requests):
        done = check(tmp_path, port, "--host", "www.example.com")
    assert done.returncode == 1
    assert f"warning: shadow.route_miss at http://127.0.0.1:{port}/\n" in done.stdout
    assert "\n\n2 warnings, " in done.stdout and done.stdout.endswith(" notes: exit code 1\n")
    assert "404 from the Envoy itself" in done.stdout and "note: shadow.accepted" in done.stdout
    assert b"\r\nHost: www.example.com\r\n" in requests[0]


def test_nginxs_configuration_is_judged_on_request(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text("http { server { location / { mirror $a; proxy_pass http://app; } } }")
    with answering(ISTIO) as (port, _):
        done = check(tmp_path, port, "--nginx", str(path))
    assert done.returncode == 1
    assert f"warning: nginx.mirror_variable at {path}:1\n" in done.stdout
    assert "nginx must set" not in done.stdout
    with answering(ISTIO) as (port, _):
        missing = check(tmp_path, port, "--nginx", str(tmp_path / "none"))
    assert missing.returncode == 2 and "none does not exist" in missing.stderr


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        (DUMP, 1, "warning: nginx.mirror_variable at /n/site.conf:2\n"),
        ("", 3, "unknown: nginx.unreadable at standard input\n  standard input: is empty: "),
        (DUMP.replace("#", "user a;\n#"), 3, "is not the output of `nginx -T`"),
    ],
)
def test_the_output_of_nginx_comes_through_a_pipe(
    tmp_path: Path, text: str, code: int, expected: str
) -> None:
    with answering(ISTIO) as (port, _):
        done = check(tmp_path, port, "--nginx", "-", stdin=text)
    assert done.returncode == code
    assert expected in done.stdout


def test_unreachable_shadow_is_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = check(tmp_path, port)
    assert done.returncode == 3
    assert "unknown: shadow.no_connection at " in done.stdout
    assert "connection refused" in done.stdout


def test_silent_shadow_is_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = check(tmp_path, listener.getsockname()[1], timeout_s=0.2)
    assert done.returncode == 3
    assert "no answer within 0.2 s" in done.stdout


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


def test_another_sidecar_at_the_admin_port_is_named(tmp_path: Path) -> None:
    status = b'{"ledger": {}, "listen": ["127.0.0.2:1"], "pid": 4711, "version": "0.1.0"}'
    with admin_port(200, status) as (port, _):
        done = check(tmp_path, 1, text=CONFIG.replace("{admin}", str(port)))
    assert done.returncode == 2
    expected = f"admin: another sidecar (pid 4711, version 0.1.0) answers on 127.0.0.1:{port}"
    assert expected in done.stderr


@pytest.mark.parametrize(("mode", "is_said"), [("inline", True), ("sink", False), ("\x1b", False)])
def test_a_running_sidecar_in_another_mode_is_named(
    tmp_path: Path, mode: str, is_said: bool
) -> None:
    (listen,) = free_ports(1)
    status = {"ledger": {}, "listen": [f"127.0.0.1:{listen}"], "pid": 4711, "mode": mode}
    answer = json.dumps(status).encode()
    with answering(ISTIO) as (port, _), admin_port(200, answer) as (admin, _):
        text = CONFIG.replace("{listen}", str(listen)).replace("{admin}", str(admin))
        done = check(tmp_path, port, text=text)
    assert "these addresses is running (pid 4711)" in done.stdout
    said = "(pid 4711). It is in mode inline, but this file says mode sink" in done.stdout
    assert said is is_said and (is_said or "but this file" not in done.stdout)


def test_nginx_is_judged_where_this_host_cannot_serve(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text("server { location / { mirror $a; proxy_pass http://app; } }")
    text = CONFIG + "admin_token_file: /nonexistent/token\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = text.replace("listen: 127.0.0.1:{listen}", f"listen: {taken.getsockname()[1]}")
        text = text.replace("listen: ", "listen: 127.0.0.1:")
        done = check(tmp_path, 1, "--nginx", str(path), text=text)
    assert done.returncode == 2
    assert f"warning: nginx.mirror_variable at {path}:1\n" in done.stdout
    assert "about nginx alone: exit code 2" in done.stdout and "is valid" not in done.stdout
    token, listen = done.stderr.splitlines()
    assert token.startswith("admin_token_file: /nonexistent/token") and "in use" in listen
    done = check(tmp_path, 1, "--nginx", str(path), "--format", "json", text=text)
    assert done.returncode == 2 and done.stdout == ""


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
        assert done.returncode == 1, done.stdout  # nginx could not search tmp_path
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
    assert done.returncode == 1
    assert f"warning: host.socket at listen unix:{tmp_path}/m.sock\n" in done.stdout
    assert "nginx may be unable to connect: mode 0600 lets only the owner" in done.stdout


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
    for code, word in [
        (0, "accepted"),
        (1, "warnings"),
        (2, "cannot be used"),
        (3, "reached"),
        (4, "counted twice"),
    ]:
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
    assert done.returncode == 1, done.stdout
    assert "may open 4096 descriptors and could need 1000576" in done.stdout
    assert "timeouts.idle is 5s: by default nginx keeps its connections" in done.stdout
