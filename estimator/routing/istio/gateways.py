"""Gateway of networking.istio.io: its servers, and which of them carry HTTP.

The fields are those of networking/v1alpha3/gateway.proto. A server carries HTTP if its protocol is
HTTP, HTTP2, GRPC or GRPC-WEB, or HTTPS with TLS that ends at the gateway (IsHTTPServer of
pkg/config/gateway). Which pods a selector names is not judged.
"""

from dataclasses import dataclass, replace

from estimator.routing.fields import Field
from estimator.routing.istio.matches import MOST_PORT
from estimator.routing.istio.names import ANY, NO_HOSTNAME, is_hostname, server_hosts
from estimator.routing.objects import KubernetesObject
from estimator.routing.rules import Place

_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_PROTOCOLS = (*_HTTP, "HTTPS", "TLS", "TCP", "MONGO", "MYSQL", "REDIS", "UDP")
_PASSES = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_TLS_MODES = (*_PASSES, "SIMPLE", "MUTUAL", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL")
_TLS_KEYS = (
    "httpsRedirect",
    "mode",
    "serverCertificate",
    "privateKey",
    "caCertificates",
    "caCrl",
    "credentialName",
    "credentialNames",
    "caCertCredentialName",
    "tlsCertificates",
    "subjectAltNames",
    "verifyCertificateSpki",
    "verifyCertificateHash",
    "minProtocolVersion",
    "maxProtocolVersion",
    "cipherSuites",
    "insecureSkipVerify",
)
_SERVER_KEYS = ("port", "bind", "hosts", "tls", "defaultEndpoint", "name")


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a Gateway."""

    field: Field
    port: int
    protocol: str
    """In upper case."""
    hosts: tuple[str, ...]
    """`host` or `namespace/host`, without `./` and `*/`."""
    has_tls: bool = False
    passes: bool = False
    """TLS does not end here."""
    redirects_to_https: bool = False

    @property
    def is_https(self) -> bool:
        return self.protocol not in _HTTP

    @property
    def carries_http(self) -> bool:
        ends_tls = self.protocol == "HTTPS" and self.has_tls and not self.passes
        return self.protocol in _HTTP or ends_tls

    @property
    def place(self) -> Place:
        return self.field.place


@dataclass(frozen=True, slots=True)
class Gateway:
    """One Gateway."""

    field: Field
    namespace: str
    name: str
    selector: tuple[tuple[str, str], ...]
    servers: tuple[Server, ...]
    not_understood: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def place(self) -> Place:
        return self.field.place


def read_gateway(item: KubernetesObject) -> Gateway:
    """Return a Gateway; report every problem of it."""
    fields = item.spec.keys("servers", "selector")
    selector = fields["selector"].entries() if "selector" in fields else {}
    labels = tuple(sorted((name, label.text()) for name, label in selector.items()))
    if "servers" not in fields:
        item.spec.report("servers: missing; expected a list of servers")
    entries = fields["servers"].items() if "servers" in fields else ()
    servers = tuple(_server(entry, item.namespace) for entry in entries)
    field = replace(item.spec, line=item.body.line)
    return Gateway(field, item.namespace, item.name, labels, servers)


def assumed_gateway(field: Field, key: tuple[str, str], port: int) -> Gateway:
    """Return a Gateway for one that is named at `field` and stands in no file.

    It admits every host for HTTP on `port`; each decision that rests on it says so.
    """
    namespace, name = key
    owner = replace(field.owner, kind="Gateway", namespace=namespace, name=name)
    place = replace(field, owner=owner, path="")
    doubt = (
        f"{field.place}: Gateway {namespace}/{name} is not among these files;"
        f" it is judged as if it admitted every host for HTTP on port {port}"
    )
    server = Server(place, port, "HTTP", (ANY,))
    return Gateway(place, namespace, name, (), (server,), (doubt,))


def _server(entry: Field, namespace: str) -> Server:
    fields = entry.keys(*_SERVER_KEYS)
    for key in ("port", "hosts"):
        if key not in fields:
            entry.report(f"{key}: missing")
    port, protocol = _port(fields["port"]) if "port" in fields else (0, "HTTP")
    hosts = fields["hosts"].texts() if "hosts" in fields else ()
    if "hosts" in fields and not hosts:
        fields["hosts"].report("expected at least one host")
    for host in hosts:
        owner, slash, name = host.partition("/")
        if slash and not (owner and name):
            fields["hosts"].report(f"expected host or namespace/host, got {host!r}")
        elif host and not is_hostname(name if slash else host):
            fields["hosts"].report(f"{NO_HOSTNAME}, got {host!r}")
    tls = fields["tls"].keys(*_TLS_KEYS) if "tls" in fields else {}
    mode = tls["mode"].choice(*_TLS_MODES) if "mode" in tls else ""
    if protocol in ("HTTPS", "TLS") and "tls" not in fields:
        entry.report(f"tls: missing; expected it for the protocol {protocol}")
    redirects = "httpsRedirect" in tls and tls["httpsRedirect"].flag()
    if redirects and protocol not in _HTTP:
        tls["httpsRedirect"].report(f"expected it for HTTP only, got the protocol {protocol}")
    return Server(
        entry,
        port,
        protocol,
        server_hosts(hosts, namespace),
        "tls" in fields,
        mode in _PASSES,
        redirects,
    )


def _port(entry: Field) -> tuple[int, str]:
    fields = entry.keys("number", "protocol", "name", "targetPort")
    for key in ("number", "protocol"):
        if key not in fields:
            entry.report(f"{key}: missing")
    number = fields["number"].whole(1, MOST_PORT) if "number" in fields else 0
    protocol = fields["protocol"].text().upper() if "protocol" in fields else "HTTP"
    if protocol and protocol not in _PROTOCOLS:
        listed = ", ".join(_PROTOCOLS)
        fields["protocol"].report(f"expected one of {listed}, got {protocol!r}")
    return number or 0, protocol
