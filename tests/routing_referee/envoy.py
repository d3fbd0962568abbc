"""One Envoy that holds many rule sets, and the answers that it gives.

Each way of normalising paths and each scheme has a listener. Within a listener the field x-set of a
request names its rule set (Envoy's scoped routes), so one connection serves all of them. Forwarded
requests come back to a listener of the same Envoy that answers with the path and the authority that
it received.
"""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mirror.demo.envoy import envoy_command
from mirror.demo.processes import Child, Processes, answers, free_ports
from tests.routing_referee.istiod import CLUSTER, FAULT
from tests.routing_referee.rule_sets import Object, RuleSet, Translation, WireRequest

EXTENSION = "type.googleapis.com/envoy.extensions.filters"
CONNECTIONS = 32
PATIENCE_S = 30.0

# pilot/pkg/networking/core/listener_builder.go, buildHTTPConnectionManager
NORMALIZATIONS: Mapping[str, Object] = {
    "NONE": {"normalize_path": False},
    "BASE": {"normalize_path": True},
    "MERGE_SLASHES": {"normalize_path": True, "merge_slashes": True},
    "DECODE_AND_MERGE_SLASHES": {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
    },
}
# pkg/bootstrap/config.go: what every proxy of Istio is started with
RUNTIME = {
    "re2.max_program_size.error_level": 32768,
    "envoy.reloadable_features.http_reject_path_with_fragment": False,
    # From 1.39 on, Envoy matches each field of one name by itself. A request of the product has
    # them joined, as every Envoy before did it.
    "envoy.reloadable_features.match_headers_individually": False,
    "overload.global_downstream_max_connections": 1000,
}

Listener = tuple[str, str]
"""The normalisation and the scheme."""
LISTENERS: tuple[Listener, ...] = tuple(
    (mode, scheme) for mode in NORMALIZATIONS for scheme in ("http", "https")
)


@dataclass(frozen=True, slots=True)
class EnvoyAnswer:
    """What came back for a request. Status 0 stands for no answer."""

    status: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Referee:
    """A running Envoy with rule sets."""

    child: Child
    ports: Mapping[Listener, int]
    sets: Sequence[RuleSet]
    translations: Sequence[Translation]

    def answers(self, cases: Sequence[tuple[int, WireRequest]]) -> list[EnvoyAnswer]:
        """Return the answer to each request; a case is the number of a rule set and a request."""
        found: dict[int, EnvoyAnswer] = {}
        for listener, port in self.ports.items():
            mine = [
                (index, *case)
                for index, case in enumerate(cases)
                if (self.sets[case[0]].normalization, self.sets[case[0]].scheme) == listener
            ]
            requests = []
            for _, number, request in mine:
                name = _scope_name(number, self.translations[number].configuration(request))
                requests.append((request.encoded(name, listener[1]), request.method))
            told = _converse(port, requests)
            found.update(zip((index for index, *_ in mine), told, strict=True))
        assert self.child.is_running, self.child.last_lines()
        return [found[index] for index in range(len(cases))]


@contextmanager
def running_referee(
    binary: Path, sets: Sequence[RuleSet], translations: Sequence[Translation]
) -> Iterator[Referee]:
    """Start an Envoy with these rule sets, and end it."""
    with TemporaryDirectory(prefix="kagami-") as name, Processes(Path(name)) as processes:
        admin, echo, *free = free_ports(2 + len(LISTENERS))
        ports = dict(zip(LISTENERS, free, strict=True))
        path = Path(name) / "envoy.json"
        path.write_text(json.dumps(_bootstrap(admin, echo, ports, sets, translations)))
        child = processes.start("envoy", envoy_command(binary, path))
        child.wait_until(lambda: answers(admin, "/ready", status=200))
        yield Referee(child, ports, sets, translations)


def _bootstrap(
    admin: int,
    echo: int,
    ports: Mapping[Listener, int],
    sets: Sequence[RuleSet],
    translations: Sequence[Translation],
) -> Object:
    listeners = [_echo_listener(echo)]
    for listener, port in ports.items():
        mode, scheme = listener
        scopes = [
            _scope(_scope_name(number, index), hosts)
            for number, (rule_set, translation) in enumerate(zip(sets, translations, strict=True))
            if (rule_set.normalization, rule_set.scheme) == listener
            for index, hosts in enumerate(translation.configurations)
        ]
        key = {"name": "x-set", "element_separator": "", "index": 0}
        scoped = {
            "name": "sets",
            "scope_key_builder": {"fragments": [{"header_value_extractor": key}]},
            "scoped_route_configurations_list": {"scoped_route_configurations": scopes},
        }
        if not scopes:
            continue
        manager = {
            **NORMALIZATIONS[mode],
            # Istio's gateways know from TLS that a request came by https. These listeners have no
            # TLS, so they believe the requests.
            "use_remote_address": False,
            "scheme_header_transformation": {"scheme_to_overwrite": scheme},
            "scoped_routes": scoped,
        }
        listeners.append(_listener(f"{mode} {scheme}", port, manager))
    cluster = {
        "name": CLUSTER,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(echo)}}]}],
        },
    }
    return {
        "admin": {"address": _address(admin)},
        "layered_runtime": {"layers": [{"name": "istio", "static_layer": RUNTIME}]},
        "static_resources": {"listeners": listeners, "clusters": [cluster]},
    }


def _scope_name(number: int, configuration: int | None) -> str:
    return f"{number} {configuration}"


def _scope(name: str, hosts: list[Object]) -> Object:
    # gateway.go: a route configuration without hosts answers 404 to everything.
    return {
        "name": name,
        "key": {"fragments": [{"string_key": name}]},
        "route_configuration": {
            "name": name,
            "ignore_port_in_host_matching": True,
            "validate_clusters": False,
            # The echo refuses a path that begins with no slash.
            "response_headers_to_add": [
                {"header": {"key": f"x-sent-{name}", "value": f"%REQ(:{name.upper()})%"}}
                for name in ("path", "authority")
            ],
            "virtual_hosts": hosts or [{"name": "blackhole", "domains": ["*"]}],
        },
    }


def _listener(name: str, port: int, manager: Object) -> Object:
    filters = [
        {"name": "envoy.filters.http.fault", "typed_config": {"@type": FAULT}},
        {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": f"{EXTENSION}.http.router.v3.Router"},
        },
    ]
    config = {
        "@type": f"{EXTENSION}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "referee",
        "http_filters": filters,
        **manager,
    }
    network_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": config,
    }
    return {
        "name": name,
        "address": _address(port),
        "filter_chains": [{"filters": [network_filter]}],
    }


def _echo_listener(port: int) -> Object:
    fields = [
        {"header": {"key": "x-path", "value": "%REQ(:PATH)%"}},
        {"header": {"key": "x-authority", "value": "%REQ(:AUTHORITY)%"}},
    ]
    route = {
        "match": {"prefix": ""},
        "direct_response": {"status": 200},
        "response_headers_to_add": fields,
    }
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    manager = {"normalize_path": False, "route_config": {"name": "echo", "virtual_hosts": hosts}}
    return _listener("echo", port, manager)


def _address(port: int) -> Object:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _converse(port: int, requests: Sequence[tuple[bytes, str]]) -> list[EnvoyAnswer]:
    """Send requests over several connections, one at a time on each; return their answers.

    Envoy ends a connection with pipelined requests behind an answer of its own, so none are.
    """
    found: list[EnvoyAnswer] = []
    connections = [_Connection(port) for _ in range(min(CONNECTIONS, len(requests)))]
    for start in range(0, len(requests), CONNECTIONS):
        batch = list(zip(connections, requests[start : start + CONNECTIONS], strict=False))
        for connection, (data, _) in batch:
            connection.send(data)
        found += [connection.answer(method) for connection, (_, method) in batch]
    for connection in connections:
        connection.close()
    return found


class _Connection:
    """A connection that is opened again when Envoy ends it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._data = b""
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S)

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self, method: str) -> EnvoyAnswer:
        """Return the answer to the request that was sent; status 0 if there is none."""
        try:
            answer = self._read(method)
        except ConnectionError:
            answer = None
        if answer is None or answer.fields.get("connection") == "close" or self._data:
            self._data = b""
            self.close()
            self._open()
        return answer or EnvoyAnswer(0, {})

    def _read(self, method: str) -> EnvoyAnswer | None:
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if not self._more():
                return None
        first, *lines = self._data[:end].decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) if ": " in line else (line[:-1], "") for line in lines)
        has_body = method != "HEAD" and "content-length" in fields
        stop = end + 4 + (int(fields["content-length"]) if has_body else 0)
        while len(self._data) < stop:
            if not self._more():
                return None
        self._data = self._data[stop:]
        return EnvoyAnswer(int(first.split(" ")[1]), fields)

    def _more(self) -> bool:
        data = self._socket.recv(1 << 16)
        self._data += data
        return bool(data)
