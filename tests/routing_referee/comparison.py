"""Compares what the product says of generated requests with what Envoy does with them.

A case is a rule set and a request. A disagreement is reduced: objects, hosts, rules and conditions
are removed as long as the two still disagree in the same respect.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import yaml

from estimator.errors import InputError
from estimator.routing.files import read_routes
from estimator.routing.paths import Normalization
from estimator.routing.table import RouteTable
from tests.routing_referee.envoy import running_referee
from tests.routing_referee.http_routes import http_route_set
from tests.routing_referee.istiod import translate_virtual_services
from tests.routing_referee.istiod_http_routes import translate_http_routes
from tests.routing_referee.near_requests import near_request
from tests.routing_referee.rule_sets import Object, RuleSet, Translation, WireRequest, chance
from tests.routing_referee.verdicts import envoy_verdict, judge
from tests.routing_referee.virtual_services import virtual_service_set

KINDS = ("VirtualService", "HTTPRoute")
REQUESTS_OF_A_SET = 25
SETS_OF_AN_ENVOY = 400
MOST_EXAMPLES = 5
MOST_STEPS = 60

GENERATORS = {"VirtualService": virtual_service_set, "HTTPRoute": http_route_set}
TRANSLATIONS = {"VirtualService": translate_virtual_services, "HTTPRoute": translate_http_routes}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A case in which the product and Envoy say different things."""

    kind: str
    rule_set: RuleSet
    request: WireRequest
    difference: str
    envoy: str
    product: str

    def __str__(self) -> str:
        request = self.request
        fields = "".join(f"\n{name}: {value}" for name, value in request.headers)
        return (
            f"{self.difference}\n"
            f"{yaml.safe_dump_all(self.rule_set.documents, sort_keys=False)}"
            f"port {self.rule_set.port}, {self.rule_set.scheme}, {self.rule_set.normalization}\n"
            f"{request.method} {request.target}\nHost: {request.authority}{fields}\n"
            f"not recorded: {', '.join(sorted(request.hidden))}\n"
            f"Envoy:   {self.envoy}\nproduct: {self.product}"
        )


@dataclass
class Findings:
    """What a run found."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """The number of cases by what Envoy did."""
    rules: int = 0
    """The number of rules that took a request."""
    counts: Counter[str] = field(default_factory=Counter)
    """The number of disagreements by difference."""
    examples: dict[str, Disagreement] = field(default_factory=dict)


def run(binary: Path, kind: str, count: int, seed: int) -> Findings:
    """Compare `count` generated cases of a kind of object."""
    random = Random(f"{kind} {seed}")
    findings = Findings()
    while findings.cases < count:
        left = min(count - findings.cases, SETS_OF_AN_ENVOY * REQUESTS_OF_A_SET)
        rule_sets, translations = [], []
        while len(rule_sets) < -(-left // REQUESTS_OF_A_SET):
            rule_set = GENERATORS[kind](random)
            translation = TRANSLATIONS[kind](rule_set.documents, rule_set.port)
            # A gateway to which nothing is bound has little to tell.
            if translation.routes() or chance(random, 0.1):
                rule_sets.append(rule_set)
                translations.append(translation)
        cases = []
        for number, translation in enumerate(translations):
            cases += [
                (number, near_request(random, translation.virtual_hosts()))
                for _ in range(REQUESTS_OF_A_SET)
            ]
        _compare(binary, kind, (rule_sets, translations, cases), findings)
    return findings


def _compare(
    binary: Path,
    kind: str,
    work: tuple[list[RuleSet], list[Translation], list[tuple[int, WireRequest]]],
    findings: Findings,
) -> None:
    rule_sets, translations, cases = work
    with running_referee(binary, rule_sets, translations) as referee:
        answers = referee.answers(cases)
    tables = list(_tables(rule_sets))
    taken = set()
    for (number, request), answer in zip(cases, answers, strict=True):
        verdict = envoy_verdict(answer, translations[number])
        findings.cases += 1
        findings.outcomes[verdict.outcome] += 1
        taken.add((number, verdict.rule))
        found = judge(tables[number], rule_sets[number], request, answer, translations[number])
        if found:
            difference, product = found
            findings.counts[difference] += 1
            if difference not in findings.examples and len(findings.examples) < MOST_EXAMPLES:
                disagreement = Disagreement(
                    kind, rule_sets[number], request, difference, str(verdict), product
                )
                findings.examples[difference] = reduced(binary, disagreement)
    findings.rules += len(taken)


def _tables(rule_sets: Sequence[RuleSet]) -> Iterator[RouteTable | str]:
    """Yield the product's table of each rule set, or what it says against the objects."""
    with TemporaryDirectory(prefix="kagami-") as name:
        for number, rule_set in enumerate(rule_sets):
            path = Path(name) / f"{number}.yaml"
            # JSON is YAML, and writing it takes a tenth of the time.
            path.write_text(
                "\n---\n".join(json.dumps(each, indent=1) for each in rule_set.documents)
            )
            try:
                routes = read_routes([path], "edge/gw", rule_set.port)
            except InputError as error:
                yield str(error)
                continue
            if len(routes.tables) != 1:
                yield f"{len(routes.tables)} tables"
                continue
            mode = Normalization(rule_set.normalization)
            yield replace(routes.tables[0], normalization=mode)


def reduced(binary: Path, disagreement: Disagreement) -> Disagreement:
    """Return a smaller case with the same difference."""
    kind = disagreement.kind
    for _ in range(MOST_STEPS):
        smaller = [
            replace(disagreement.rule_set, documents=documents)
            for documents in _smaller(disagreement.rule_set.documents)
        ]
        if not smaller:
            break
        translations = [TRANSLATIONS[kind](each.documents, each.port) for each in smaller]
        cases = [(number, disagreement.request) for number in range(len(smaller))]
        with running_referee(binary, smaller, translations) as referee:
            answers = referee.answers(cases)
        for rule_set, answer, translation, table in zip(
            smaller, answers, translations, _tables(smaller), strict=True
        ):
            found = judge(table, rule_set, disagreement.request, answer, translation)
            if found and found[0] == disagreement.difference:
                envoy = str(envoy_verdict(answer, translation))
                disagreement = replace(
                    disagreement, rule_set=rule_set, envoy=envoy, product=found[1]
                )
                break
        else:
            break
    return disagreement


def _smaller(documents: Sequence[Object]) -> Iterator[list[Object]]:
    """Yield the objects with one thing removed, the largest things first."""
    for index, document in enumerate(documents):
        if document["kind"] != "Gateway":
            yield [each for number, each in enumerate(documents) if number != index]
    for index, document in enumerate(documents):
        for path in _removable(document.get("spec")):
            less = deepcopy(list(documents))
            place = less[index]["spec"]
            for step in path[:-1]:
                place = place[step]
            del place[path[-1]]
            yield less


LISTS = (
    *("hosts", "hostnames", "servers", "listeners", "http", "rules", "match", "matches"),
    *("headers", "queryParams"),
)
OPTIONAL = (
    *("headers", "withoutHeaders", "queryParams", "method", "authority", "scheme", "port"),
    *("gateways", "rewrite", "fault", "ignoreUriCase", "uri", "path", "timeout", "filters"),
)

WHOLE = ("rewrite", "fault", "filters")


def _removable(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of what may be missing, outer ones first."""
    if isinstance(value, list):
        if len(value) > 1 and path[-1] in LISTS:
            yield from ((*path, index) for index in range(len(value)))
        for index, each in enumerate(value):
            yield from _removable(each, (*path, index))
    elif isinstance(value, dict):
        is_match = "match" in path or "matches" in path
        for key, each in value.items():
            if key in OPTIONAL and (is_match or (key in WHOLE and isinstance(each, dict | list))):
                yield (*path, key)
            yield from _removable(each, (*path, key))
