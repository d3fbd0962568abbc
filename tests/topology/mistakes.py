"""One world with a correct set-up and the deliberate mistakes beside it.

One nginx has a server for each application and for each way of mirroring, one Envoy a listener for
each shadow, so that the world starts in seconds. Every way of mirroring is a file of its own below
`nginx/`, which the running nginx includes and `mirror check --nginx` reads. Nothing here judges.
"""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import trustme
import yaml

from mirror.demo.envoy import SERVER_NAME, Envoy, envoy_command
from mirror.demo.nginx import (
    PRODUCTION_HEADERS,
    SINK_LOCATION,
    WITHOUT_BODIES,
    main_config,
    nginx_command,
)
from mirror.demo.processes import Processes, accepts, answers, free_ports
from mirror.demo.sidecar import Sidecar, serve_command, write_config
from tests.topology.conftest import patient, require, running_topology
from tests.topology.envoy_parts import API, Object, bootstrap, cluster, http_listener
from tests.topology.test_clock import Clock

HOST = "www.example.com"
ROUTES = ["/watch/{id}", "/gone/*", "/old/*", "/login/*"]

SITES = ("correct", "mirrored_twice", "mirrored_past_us", "to_log_nginx", "lossy")
"""Production's nginx: the ways in which it mirrors, each with a sidecar of the same name."""
INLINE = ("routes", "plaintext", "no_certificate")
"""Further sidecars, in mode inline."""
UNUSED = "unused"
"""A configuration that is checked and not served."""
GATEWAYS = (*(f"gateway_{name}" for name in SITES), "gateway_routes", "tls_only")
"""The listeners of Envoy; the world's counters and logs have their names."""
OTHERS = ("old_app", "new_app", "log_nginx", "void", "envoy_admin", "relay", "log_source")
LOST_LINES = frozenset({3, 7})
"""The lines of the log of the site `lossy`, from 0, which do not reach its sidecar."""
CLOCK_S = -300
"""How far the clock of that sidecar is from the real time."""

# docs/audit.md asks for these keys.
GATEWAY_LOG = """
    log_format gateway_json escape=json
        '{"id":"$http_x_request_id","time":"$msec","status":"$status","method":"$request_method",'
        '"host":"$http_host","uri":"$request_uri","mirror_leg":"$http_x_mirror_leg"}';
"""
MESH_CONFIG = Path(__file__).parents[2] / "deploy/istio/mesh-config.yaml"


def location(name: str, sink: str) -> str:
    """Return a mirror location as deploy/nginx has it, with a name and an upstream of its own."""
    text = SINK_LOCATION % {"bodies": WITHOUT_BODIES}
    return text.replace("/__mirror", name).replace("mirror_sink", sink)


@dataclass
class World:
    """The running servers, and what they have logged and counted."""

    directory: Path
    processes: Processes
    ports: dict[str, int]
    envoy: Envoy
    authority: Path
    """The certificate authority of the listener `tls_only`."""
    sidecars: dict[str, Sidecar] = field(default_factory=dict)
    ready_s: int = 0
    """The Unix second in which all sidecars were ready."""
    asked_s: int = 0
    """A Unix second in which every request was over."""

    def url(self, name: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.ports[name]}"

    def log_path(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def logged(self, name: str) -> list[Object]:
        """Return the complete lines of an access log: of a site, of log_nginx or of a gateway."""
        path = self.log_path(name)
        complete, _, _ = (path.read_text() if path.exists() else "").rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    def nginx_file(self, name: str) -> Path:
        """Return the whole configuration of an nginx that mirrors in this way only."""
        return self.directory / "nginx" / name / "nginx.conf"

    def arrived(self, gateway: str) -> int:
        """Return how many requests a listener of Envoy has read, probes as well."""
        return self.envoy.counters()[f"http.{gateway}.downstream_rq_total"]

    def ledger(self, name: str) -> Object:
        """Return the ledger of a sidecar as it is now."""
        found: Object = self.status(name)["ledger"]
        return found

    def status(self, name: str) -> Object:
        return self.sidecars[name].status()

    def home(self, name: str) -> Path:
        """Return the folder of a sidecar."""
        path = self.directory / f"sidecar-{name}"
        path.mkdir(exist_ok=True)
        return path

    def config(self, name: str, mode: str, gateway: str, **changes: Any) -> Path:
        """Write the configuration of a sidecar whose shadow is this gateway; return its path."""
        config: Object = {
            "mode": mode,
            "listen": {"path": str(self.socket(name)), "mode": "0666"},
            "max_connections": 1000,
            "shadow": {"url": self.url(gateway), "timeout": 20.0},
            "routes": ROUTES,
            "workers": 1,
            "series": {"path": str(self.home(name) / "series.db")},
            "admin": f"127.0.0.1:{self.ports[f'admin_{name}']}",
        }
        if mode == "inline":
            config["primary"] = self.url("old_app")
        for key, value in changes.items():
            is_section = isinstance(config.get(key), dict)
            config[key] = config[key] | value if is_section else value
        return write_config(self.home(name), config)

    def config_of(self, name: str) -> Path:
        """Return the configuration that was written for a sidecar."""
        return self.home(name) / "mirror.yaml"

    @cached_property
    def other_clock(self) -> Mapping[str, str]:
        """The environment of a program whose clock is CLOCK_S from the real time."""
        clock = Clock(self.directory)
        clock.set(CLOCK_S)
        return clock.environment

    def socket(self, name: str) -> Path:
        return self.directory / f"{name}.sock"

    def launch(self, name: str, config: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start a sidecar without waiting for it."""
        child = self.processes.start(
            f"sidecar-{name}", serve_command(config), environment=environment
        )
        self.sidecars[name] = Sidecar(child, self.ports[f"admin_{name}"])

    def wait_for_sidecars(self) -> None:
        for sidecar in self.sidecars.values():
            port = sidecar.admin_port
            sidecar.child.wait_until(lambda port=port: answers(port, "/readyz", status=200), 60)
        self.ready_s = int(time.time())

    def stop_sidecars(self) -> None:
        """Stop them together; Processes would end them one after the other."""
        for sidecar in self.sidecars.values():
            sidecar.child.send_signal(signal.SIGTERM)
        for sidecar in self.sidecars.values():
            sidecar.child.stop()

    def sleep_until(self, second: int) -> None:
        """Sleep until a Unix second begins, which the servers count by."""
        time.sleep(max(0.0, second - time.time()))


@contextmanager
def running_world() -> Iterator[World]:
    """Start nginx and Envoy, without sidecars, and end everything afterwards."""
    nginx, envoy = require("nginx"), require("envoy")
    admin = (f"admin_{name}" for name in (*SITES, *INLINE, UNUSED))
    names = (*GATEWAYS, *SITES, *OTHERS, *admin)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with running_topology() as topology, closing(Relay(ports["relay"], ports["log_source"])):
        directory, processes = topology.directory, topology.processes
        authority = trustme.CA()
        world = World(
            directory,
            processes,
            ports,
            Envoy(
                processes.start("envoy", _write_envoy(directory, ports, authority, envoy)),
                ports["gateway_routes"],
                ports["envoy_admin"],
            ),
            directory / "authority.pem",
        )
        authority.cert_pem.write_to_path(world.authority)
        child = processes.start("nginx", nginx_command(nginx, _write_nginx(world)))
        child.wait_until(lambda: accepts(ports["log_nginx"]))
        world.envoy.child.wait_until(lambda: answers(ports["envoy_admin"], "/ready", status=200))
        try:
            yield world
        finally:
            world.stop_sidecars()


# --- Envoy ---


def _write_envoy(
    directory: Path, ports: Mapping[str, int], authority: trustme.CA, binary: Path
) -> list[str | Path]:
    """Write Envoy's configuration and certificates; return the command."""
    certificate = authority.issue_cert("127.0.0.1", HOST)
    pem = directory / "envoy.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    to_app = {"cluster": "new_app"}
    everything = [{"match": {"prefix": "/"}, "route": to_app}]
    elsewhere = {"host_redirect": "old.example.net", "response_code": "FOUND"}
    routes_of = dict.fromkeys(GATEWAYS, everything) | {
        # The allow-list lacks /gone/.
        "gateway_routes": [
            {"match": {"path": "/"}, "route": to_app},
            {"match": {"prefix": "/watch/"}, "route": to_app},
            {"match": {"prefix": "/login/"}, "route": to_app},
            {"match": {"prefix": "/old/"}, "redirect": elsewhere},
        ],
    }
    listeners = [
        http_listener(
            name,
            ports[name],
            routes_of[name],
            server_name=SERVER_NAME,
            access_log=[_gateway_log(directory / f"{name}.log")],
        )
        for name in GATEWAYS
    ]
    tls_only = listeners[GATEWAYS.index("tls_only")]
    tls_only["filter_chains"][0]["transport_socket"] = _strict_mtls(pem, directory)
    config = bootstrap(ports["envoy_admin"], listeners, [cluster("new_app", ports["new_app"])])
    path = directory / "envoy.json"
    path.write_text(json.dumps(config))
    return [*envoy_command(binary, path), "--file-flush-interval-msec", "10"]


def _gateway_log(path: Path) -> Object:
    """Return the access log that deploy/istio/mesh-config.yaml asks istiod for."""
    (provider,) = yaml.safe_load(MESH_CONFIG.read_text())["meshConfig"]["extensionProviders"]
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{API}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": provider["envoyFileAccessLog"]["logFormat"]["labels"]},
        },
    }


def _strict_mtls(pem: Path, directory: Path) -> Object:
    """Return what a PeerAuthentication of mode STRICT makes of a listener."""
    file = {"filename": str(pem)}
    trusted = {"trusted_ca": {"filename": str(directory / "authority.pem")}}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{API}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": True,
            "common_tls_context": {
                "tls_certificates": [{"certificate_chain": file, "private_key": file}],
                "validation_context": trusted,
            },
        },
    }


# --- nginx ---


def _write_nginx(world: World) -> Path:
    """Write every site into a file of its own, and the nginx that includes all; return its path."""
    root = world.directory / "nginx"
    root.mkdir()
    ports = world.ports
    syslog = f"access_log syslog:server=127.0.0.1:{ports['relay']},nohostname mirror_json;"
    sites = {
        "correct": _site(world, "correct"),
        "mirrored_twice": _site(
            world, "mirrored_twice", mirrors="mirror /__mirror; mirror /__mirror;"
        ),
        "mirrored_past_us": _site(
            world,
            "mirrored_past_us",
            mirrors="mirror /__mirror; mirror /__direct;",
            more=location("/__direct", "direct"),
        )
        + f"upstream direct {{ server 127.0.0.1:{ports['gateway_mirrored_past_us']}; }}\n",
        "to_log_nginx": _site(world, "to_log_nginx"),
        "lossy": _site(world, "lossy", logs=syslog),
    }
    assert set(sites) == set(SITES)
    for name, site in sites.items():
        home = root / name
        home.mkdir()
        (root / f"{name}.conf").write_text(patient(site))
        (home / "site.conf").write_text(site)
        upstream = f"upstream old_app {{ server 127.0.0.1:{ports['old_app']}; keepalive 64; }}\n"
        own = f"{upstream}include {home}/site.conf;"
        world.nginx_file(name).write_text(main_config(own, home))
    (root / "gateway.conf").write_text(_log_nginx(world))
    (root / "apps.conf").write_text(_apps(world))
    included = "\n".join(f"include {path};" for path in sorted(root.glob("*.conf")))
    path = root / "nginx.conf"
    path.write_text(main_config(included, root))
    return path


def _site(
    world: World,
    name: str,
    *,
    mirrors: str = "mirror /__mirror;",
    more: str = "",
    logs: str = "",
) -> str:
    """Return production's nginx in mode sink with the given `mirror` directives."""
    return f"""
    upstream sink_{name} {{
        server unix:{world.socket(name)} max_fails=5 fail_timeout=1s;
        server 127.0.0.1:{world.ports["void"]} backup;
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{world.ports[name]};
        access_log {world.log_path(name)} mirror_json;
        {logs}
        location / {{
            {mirrors}
            mirror_request_body off;
            {PRODUCTION_HEADERS}
            proxy_pass http://old_app;
        }}
        {location("/__mirror", f"sink_{name}")}
        {more}
    }}
"""


def _log_nginx(world: World) -> str:
    """Return the nginx of the gateway Pod, which logs in front of Envoy."""
    return f"""
    {GATEWAY_LOG}
    upstream istio_proxy {{ server 127.0.0.1:{world.ports["gateway_to_log_nginx"]}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{world.ports["log_nginx"]};
        access_log {world.log_path("log_nginx")} gateway_json;
        location / {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $mirror_host;
            proxy_pass http://istio_proxy;
        }}
    }}
"""


def _apps(world: World) -> str:
    """Return both applications; the new one sends /login/ elsewhere."""
    return f"""
    upstream old_app {{ server 127.0.0.1:{world.ports["old_app"]}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{world.ports["old_app"]};
        access_log off;
        location / {{ default_type text/plain; return 200 "served\\n"; }}
    }}
    server {{ listen 127.0.0.1:{world.ports["void"]}; access_log off; return 204; }}
    server {{
        listen 127.0.0.1:{world.ports["new_app"]};
        access_log off;
        location / {{ default_type text/plain; return 200 "served\\n"; }}
        location /login/ {{ return 302 https://login.example.net/start?from=$request_uri; }}
    }}
"""


# --- what tests do in it ---


class Relay:
    """Passes datagrams on to a port, without those of LOST_LINES."""

    def __init__(self, port: int, to_port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.settimeout(0.05)
        self._to = ("127.0.0.1", to_port)
        self._is_closing = False
        self._thread = threading.Thread(target=self._pass_on)
        self._thread.start()

    def _pass_on(self) -> None:
        number = 0
        while not self._is_closing:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            if number not in LOST_LINES:
                self._socket.sendto(data, self._to)
            number += 1

    def close(self) -> None:
        self._is_closing = True
        self._thread.join()
        self._socket.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(where: int | Path, targets: list[str], **headers: str) -> list[int]:
    """Send GET requests on one connection to a port or a socket; return the statuses."""
    connection = (
        _UnixConnection(where)
        if isinstance(where, Path)
        else http.client.HTTPConnection("127.0.0.1", where, timeout=30)
    )
    statuses = []
    with closing(connection) as client:
        for target in targets:
            client.request("GET", target, headers={"Host": HOST, **headers})
            answer = client.getresponse()
            answer.read()
            statuses.append(answer.status)
    return statuses
