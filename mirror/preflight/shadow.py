"""What the shadow answers, as findings: who answers, which routes it has, and its certificate.

Every question is a HEAD request marked as a probe. Envoy sets x-envoy-upstream-service-time on
answers from behind it and not on its own, so a route miss is told from the application's 404
(istio/istio#11828). Where the mesh suppresses that header, the doubt becomes a finding.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.config import Config
from mirror.core.acceptance import UPSTREAM_TIME, is_from_behind
from mirror.preflight import shadow_rules as rules
from mirror.preflight.certificates import certificate_findings
from mirror.preflight.clock import compare_clocks
from mirror.preflight.findings import Finding
from mirror.preflight.probe import Answer, ask
from mirror.proxy.upstream.connection import Origin

MOST_ROUTES = 20
"""Most routes of the configuration that are asked."""
_TOGETHER = 4
"""Questions that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """The shadow, and how it is asked."""

    config: Config
    origin: Origin
    accepted: Sequence[str]
    """Values of the `server` header, or product names in it."""
    timeout_s: float
    """Longest wait for each answer."""
    host: str | None = None
    """A host of production; None asks with the shadow's own address."""

    @property
    def url(self) -> str:
        return str(self.config.shadow.url)

    @property
    def asked_host(self) -> str:
        return self.host or self.origin.authority

    async def ask(self, target: str = "/", host: str | None = None) -> Answer:
        """Ask one question; nothing that the shadow does raises."""
        return await ask(
            self.origin, self.accepted, self.timeout_s, host or self.asked_host, target
        )


async def examine_entry(shadow: Shadow, root: Answer) -> list[Finding]:
    """Return what the answer `root` to `/`, and the certificate, say about who is there."""
    found = await _certificate(shadow)
    verdict = root.verdict
    if (rule := rules.BY_VERDICT.get(verdict.code)) is not None:
        return [rule.at(shadow.url, f"{verdict.what}.", verdict.advice), *found]
    found.append(rules.ACCEPTED.at(shadow.url, f"{verdict.what}."))
    return [*found, *compare_clocks(shadow.url, root.headers, root.asked_s, root.answered_s)]


async def examine_routes(shadow: Shadow, root: Answer) -> list[Finding]:
    """Ask an accepted shadow for the routes of the configuration; `root` is its answer to `/`."""
    if _is_miss(root) and shadow.host is None:
        what = f"404 from the Envoy itself for Host {shadow.asked_host}."
        return [rules.HOST_NOT_KNOWN.at(shadow.url, what)]
    routes = shadow.config.routes
    answers = {"/": root, **await _ask_routes(shadow, routes[:MOST_ROUTES])}
    found = _judge_answers(shadow, answers)
    if len(routes) > MOST_ROUTES:
        what = f"{MOST_ROUTES} of {len(routes)} routes were asked."
        found.append(rules.ROUTES_NOT_ASKED.at("routes", what))
    return [*found, *await _judge_host(shadow, answers)]


def example_path(template: str) -> str:
    """Return a path that fits a route template: its literal parts, and 1 for each parameter."""
    return re.sub(r"\{[^/]*\}", "1", template).removesuffix("*")


async def _certificate(shadow: Shadow) -> list[Finding]:
    if shadow.origin.tls is None:
        return []
    return await asyncio.to_thread(certificate_findings, shadow.origin, shadow.url, time.time())


async def _ask_routes(shadow: Shadow, templates: Sequence[str]) -> dict[str, Answer]:
    slots = asyncio.Semaphore(_TOGETHER)

    async def answer(path: str) -> Answer:
        async with slots:
            return await shadow.ask(path)

    paths = [path for path in dict.fromkeys(map(example_path, templates)) if path != "/"]
    return dict(zip(paths, await asyncio.gather(*map(answer, paths)), strict=True))


def _judge_answers(shadow: Shadow, answers: dict[str, Answer]) -> list[Finding]:
    silent = [
        path
        for path, answer in answers.items()
        if answer.verdict.is_accepted
        and 200 <= answer.status < 300
        and not is_from_behind(answer.headers)
    ]
    found = []
    for path in silent[:1]:
        what = f"{answers[path].status} without {UPSTREAM_TIME} to HEAD {path}."
        found.append(rules.HEADERS_SUPPRESSED.at(shadow.url, what))
    for path, answer in answers.items():
        found += _judge_answer(shadow, path, answer, bool(silent))
    return found


def _judge_answer(shadow: Shadow, path: str, answer: Answer, is_suppressed: bool) -> list[Finding]:
    where = f"{shadow.url}{path}"
    asked = f"to HEAD {path} with Host {shadow.asked_host}"
    if (rule := rules.BY_VERDICT.get(answer.verdict.code)) is not None:
        return [rule.at(where, f"{answer.verdict.what}, {asked}.", answer.verdict.advice)]
    status = answer.status
    if is_from_behind(answer.headers):
        behind = _BEHIND.get(status, rules.APP_ERROR if status >= 500 else None)
        return [behind.at(where, f"The application answers {status} {asked}.")] if behind else []
    who = "from the Envoy or the application" if is_suppressed else "from the Envoy itself"
    rule = _OWN_ANSWERS.get(status, rules.OWN_ERROR if status >= 500 else None)
    if status == 404 and is_suppressed:
        rule = rules.NOT_FOUND_BY_WHOM
    return [rule.at(where, f"{status} {who} {asked}.")] if rule else []


_BEHIND = {
    404: rules.APP_NOT_FOUND,
    405: rules.HEAD_NOT_SUPPORTED,
    501: rules.HEAD_NOT_SUPPORTED,
}
"""What an answer of the application to HEAD means, apart from its other errors."""
_OWN_ANSWERS = {
    301: rules.REDIRECT,
    302: rules.REDIRECT,
    303: rules.REDIRECT,
    307: rules.REDIRECT,
    308: rules.REDIRECT,
    401: rules.DENIED,
    403: rules.DENIED,
    404: rules.ROUTE_MISS,
    429: rules.RATE_LIMITED,
    503: rules.NO_HEALTHY_POD,
}
"""What an answer of the Envoy itself means: of its router (source/common/router/router.cc), of a
redirect in its route table, or of a filter (RBAC, JWT, external authorization, rate limits)."""


async def _judge_host(shadow: Shadow, answers: dict[str, Answer]) -> list[Finding]:
    """Ask once more with the NodePort's number in Host, as a tool would that knows no better."""
    host, port = shadow.host, shadow.origin.port
    if host is None or ":" in host or not port:
        return []
    routed = [path for path, answer in answers.items() if not _is_miss(answer)]
    path = routed[0] if routed else list(answers)[-1]
    numbered = await shadow.ask(path, f"{host}:{port}")
    if not numbered.status or _is_miss(numbered) != bool(routed):
        return []
    rule = rules.HOST_WITHOUT_PORT if routed else rules.HOST_WITH_PORT
    what = (
        f"HEAD {path} is answered {answers[path].status} with Host {host}, and "
        f"{numbered.status} with Host {host}:{port}."
    )
    return [rule.at(shadow.url, what)]


def _is_miss(answer: Answer) -> bool:
    return answer.status == 404 and not is_from_behind(answer.headers)
