"""Compares what the product says of Ingresses with what a real nginx does with them."""

import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from estimator.routing.decision import Decision, Outcome
from estimator.routing.fields import Findings as Objects
from estimator.routing.ingress_nginx.ingresses import read_ingress
from estimator.routing.ingress_nginx.routes import IngressRoutes
from estimator.routing.ingress_nginx.servers import compile_servers
from estimator.routing.objects import objects_of
from estimator.routing.request import Request
from mirror.demo.nginx import main_config, nginx_command
from mirror.demo.processes import Processes
from tests.routing_referee.ingress_nginx import echo_server, translated
from tests.routing_referee.ingress_sets import ingress_set, near_request

REQUESTS_OF_A_SET = 25
CASES_OF_AN_NGINX = 10_000
MOST_EXAMPLES = 5
PATIENCE_S = 30.0


@dataclass
class Findings:
    """What a run found."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """The number of cases by what the product says."""
    count: int = 0
    """The number of disagreements."""
    disagreements: list[str] = field(default_factory=list)
    """The first of them."""


def run(binary: Path, count: int, seed: int) -> Findings:
    """Compare `count` generated cases."""
    random = Random(seed)
    findings = Findings()
    while findings.cases < count:
        _run_one(binary, min(count - findings.cases, CASES_OF_AN_NGINX), random, findings)
    return findings


def _run_one(binary: Path, count: int, random: Random, findings: Findings) -> None:
    with TemporaryDirectory(prefix="kagami-") as name, Processes(Path(name)) as processes:
        home = Path(name) / "nginx"
        home.mkdir()
        echo = home / "echo.sock"
        sets, servers = [], [echo_server(echo)]
        while len(sets) < -(-count // REQUESTS_OF_A_SET):
            documents = ingress_set(random)
            text = translated(documents, home / f"{len(sets)}.sock", echo)
            if text is not None:
                sets.append(documents)
                servers.append(text)
        path = home / "nginx.conf"
        site = "server_names_hash_bucket_size 128;\n" + "\n".join(servers)
        path.write_text(main_config(site, home))
        last = home / f"{len(sets) - 1}.sock"
        child = processes.start("nginx", nginx_command(binary, path))
        child.wait_until(lambda: _accepts(last))
        for number, documents in enumerate(sets):
            cases = [near_request(random, documents) for _ in range(REQUESTS_OF_A_SET)]
            _compare(home / f"{number}.sock", documents, cases, findings)


def routes_of(documents: Sequence[dict[str, Any]]) -> IngressRoutes:
    """Return what the product makes of the documents."""
    found = Objects()
    text = yaml.safe_dump_all(documents, allow_unicode=True)
    ingresses = [read_ingress(item) for item in objects_of("i.yaml", text, found)]
    assert not found.problems
    servers, warnings = compile_servers(ingresses)
    assert all("RE2 refuses" in warning for warning in warnings)
    return IngressRoutes(servers)


def _compare(
    path: Path, documents: list[dict[str, Any]], cases: list[tuple[str, str]], findings: Findings
) -> None:
    routes = routes_of(documents)
    for (host, target), answer in zip(cases, _answers(path, cases), strict=True):
        decision = routes.decide(Request(host, "GET", target, scheme="http"))
        said = _said(decision)
        findings.cases += 1
        findings.outcomes[decision.outcome.value] += 1
        if decision.outcome is Outcome.UNDECIDED:
            assert "RE2 refuses" in decision.why
            continue
        findings.count += said != answer
        if said != answer and len(findings.disagreements) < MOST_EXAMPLES:
            findings.disagreements.append(
                f"{yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)}"
                f"{host} {target}\nnginx:   {answer}\nproduct: {said}"
            )


def _said(decision: Decision) -> tuple[int, str, str]:
    if decision.outcome is Outcome.FORWARDED:
        return 200, decision.destinations[0].host.removesuffix(".shop"), decision.target
    return decision.status or 0, "", decision.location or ""


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _answers(path: Path, cases: list[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """Return status, service, and target or location of each case."""
    answers = []
    client, stream = _connected(path)
    for host, target in cases:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        status = int(stream.readline().split()[1])
        fields: dict[str, str] = {}
        while line := stream.readline().decode("utf-8", "surrogateescape").rstrip("\r\n"):
            name, _, value = line.partition(": ")
            fields[name.lower()] = value
        stream.read(int(fields.get("content-length", "0")))
        service = fields.get("x-service", "")
        where = fields.get("x-target" if service else "location", "")
        answers.append((status, service, where))
        if fields.get("connection") == "close":
            client.close()
            client, stream = _connected(path)
    client.close()
    return answers


def _connected(path: Path) -> tuple[socket.socket, Any]:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_S)
    client.connect(str(path))
    return client, client.makefile("rb")
