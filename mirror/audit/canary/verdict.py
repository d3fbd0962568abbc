"""What it means where a canary was found and where not: findings, an exit code, text and JSON."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from mirror.audit.canary.search import Search
from mirror.audit.canary.sending import Answer, path_of
from mirror.preflight.findings import Finding, Rule, worst_first

FORMAT = "kagami-canary"
VERSION = 1

EXIT_OK = 0
EXIT_UNKNOWN = 3
EXIT_TWICE = 4

COPY_LOGGED = Rule(
    "refused",
    "canary.copy_logged",
    "The copy is in the gateway's access log",
    "whatever reads that log counts every mirrored request a second time",
    "point shadow.url at the port that reaches istio-proxy itself, past the nginx that logs, and"
    " remove that nginx from shadow.accept_server",
)
LOGGED_TWICE = Rule(
    "refused",
    "canary.logged_twice",
    "The canary is in production's log more than once",
    "whatever reads that log counts every mirrored request a second time",
    "set `log_subrequest off; access_log off;` in the location that `mirror` names",
)
SEEN_TWICE = Rule(
    "refused",
    "canary.seen_twice",
    "The sidecar counted the canary more than once",
    "mirror.rps and every size that is computed from it are too high",
    "name the location once in `mirror`, and pass $request_id in X-Mirror-Request-Id",
)
MIRRORED_TWICE = Rule(
    "warning",
    "canary.mirrored_twice",
    "nginx mirrored the canary more than once",
    "the sidecar counts it once by its id, but receives twice as many requests",
    "name the location once in `mirror`, and not where `index` redirects internally",
)
BOTH_PATHS = Rule(
    "warning",
    "canary.both_paths",
    "Production itself passes the gateway's nginx",
    "its line says that it was no copy, so a sum of both logs counts every request twice",
    "count one of the two logs where both are on the path",
)
PAST_SIDECAR = Rule(
    "warning",
    "canary.past_sidecar",
    "The canary reached Envoy without the mark of a copy, too",
    "Envoy's logs and metrics count such requests as its own production, and the sidecar does not"
    " know them",
    "remove the `mirror` that leads to the new cluster past the sidecar, unless this nginx passes a"
    " part of production on to it",
)
SHADOW_ANSWER = Rule(
    "note",
    "canary.shadow_answer",
    "What the shadow answered to the copy",
    "",
    "",
)
NO_ANSWER = Rule(
    "unknown",
    "canary.no_answer",
    "Production did not answer",
    "without an answer nothing can be looked for",
    "check the URL",
)
NO_SIDECAR = Rule(
    "unknown",
    "canary.no_sidecar",
    "No sidecar answers",
    "whether the canary was mirrored cannot be said",
    "run it on the sidecar's host, or name its admin port with --admin",
)
NOT_SEEN = Rule(
    "unknown",
    "canary.not_seen",
    "No sidecar saw the canary",
    "nginx mirrors requests for this URL to none of them, or it uses its backup",
    "choose a path whose location has `mirror`, and name every sidecar with --admin",
)
NO_COPY = Rule(
    "unknown",
    "canary.no_copy",
    "No copy reached the shadow",
    "whether the way of copies logs them cannot be said",
    "look at /status of the sidecar, and give --shadow",
)
NOT_LOGGED = Rule(
    "unknown",
    "canary.not_logged",
    "The canary is not in production's log",
    "the log is another one, or nginx buffers it for longer than --wait",
    "name the log of the server that answers this URL, or raise --wait",
)
NOT_WATCHED = Rule(
    "unknown",
    "canary.gateway_not_watched",
    "The gateway's log was not watched",
    "whether copies are counted twice there cannot be said",
    "give --gateway-log",
)
NOT_IN_ENVOY = Rule(
    "unknown",
    "canary.not_in_envoy",
    "Envoy shows nothing of the copy",
    "another Envoy served it, its log leaves copies out, or it is written later",
    "name the log of every gateway Pod; Envoy writes its log every 10 s by default",
)

TRUST_IT = (
    "set SSL_CERT_FILE=FILE in the environment, a PEM file with the authority of this certificate"
    " or with the self-signed certificate itself"
)
"""Advice where nothing but the authority of a certificate is unknown."""

RULES = {
    rule.code: rule
    for rule in (
        *(COPY_LOGGED, LOGGED_TWICE, SEEN_TWICE, MIRRORED_TWICE, BOTH_PATHS, PAST_SIDECAR),
        SHADOW_ANSWER,
        *(NO_ANSWER, NO_SIDECAR, NOT_SEEN, NO_COPY, NOT_LOGGED, NOT_WATCHED, NOT_IN_ENVOY),
    )
}

VERDICTS = {
    EXIT_OK: "counted once",
    EXIT_UNKNOWN: "could not be judged as a whole",
    EXIT_TWICE: "counted more than once",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One row of the answer: a place, and what is there."""

    place: str
    found: str


def judge(search: Search) -> list[Finding]:
    """Return the findings on a search that is over."""
    if search.answer.error:
        advice = TRUST_IT if search.answer.is_untrusted else ""
        return [NO_ANSWER.at(str(search.target.origin), search.answer.error, advice)]
    return [*_in_logs(search), *_in_sidecar(search), *_in_envoy(search)]


def exit_code(findings: list[Finding]) -> int:
    """Return the exit code by the most serious finding."""
    severities = {finding.severity for finding in findings}
    if "refused" in severities:
        return EXIT_TWICE
    return EXIT_UNKNOWN if "unknown" in severities else EXIT_OK


def places(search: Search) -> list[Place]:
    """Return where the canary was looked for, and what was found."""
    rows = [Place("production", _answered(search.answer.status, search.answer.server))]
    for name, log in (
        ("production's log", search.production),
        ("the gateway's log", search.gateway),
        ("Envoy's log", search.envoy),
    ):
        if log is not None:
            counts = [len(log.lines(canary_id)) for canary_id in search.ids]
            rows.append(Place(name, _counted(counts)))
    if search.sidecars:
        rows.append(Place("the sidecar", _seen(search)))
    if search.marked_id:
        answer = search.marked_answer
        text = answer.error or _answered(answer.status, answer.server)
        rows.append(Place("straight to the shadow", text))
    if search.envoy_requests is not None:
        rows.append(Place("Envoy's counters", f"{search.envoy_requests} requests meanwhile"))
    return rows


def as_json(search: Search, findings: list[Finding]) -> str:
    """Return the whole result as a JSON document."""
    code = exit_code(findings)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "verdict": VERDICTS[code],
        "exit_code": code,
        "id": search.canary_id,
        "marked_id": search.marked_id,
        "target": path_of(search.target, search.canary_id),
        "answer": _shown(search.answer),
        "marked_answer": _shown(search.marked_answer) if search.marked_id else None,
        "sidecar": search.seen,
        "places": places(search),
        "findings": worst_first(findings),
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _shown(answer: Answer) -> dict[str, object]:
    return {"status": answer.status, "server": answer.server, "error": answer.error}


def _in_logs(search: Search) -> Iterator[Finding]:
    if (production := search.production) is not None:
        number = len(production.lines(search.canary_id))
        if number > 1:
            yield LOGGED_TWICE.at(production.option, f"its id stands in {number} lines")
        if not number:
            yield NOT_LOGGED.at(production.option, f"no line holds {search.canary_id}")
        if search.marked_id and production.lines(search.marked_id):
            yield COPY_LOGGED.at(production.option, "it holds the marked request")
    if (gateway := search.gateway) is None:
        yield NOT_WATCHED.at("--gateway-log", "it was not given")
        return
    if gateway.has_ended:
        yield NOT_WATCHED.at("--gateway-log", "standard input ended before the search did")
    lines = [line for canary_id in search.ids for line in gateway.lines(canary_id)]
    copies = [line for line in lines if line.mark != ""]
    if copies:
        yield COPY_LOGGED.at(
            copies[0].file, f"the id of the canary stands in it: {_counted([len(copies)])}"
        )
    elif lines:
        yield BOTH_PATHS.at(
            lines[0].file, f"its id stands in it without a mark: {_counted([len(lines)])}"
        )


def _in_sidecar(search: Search) -> Iterator[Finding]:
    if not search.sidecars:
        yield NO_SIDECAR.at("--admin", "none of the addresses answers")
    elif search.seen is None:
        yield NOT_SEEN.at("--admin", f"not in /status of {search.sidecars} sidecars")
    else:
        copies, repeated = search.seen.copies, search.seen.repeated
        if copies - repeated > 1:
            yield SEEN_TWICE.at("the sidecar", f"it counted {copies - repeated} copies")
        elif copies > 1:
            yield MIRRORED_TWICE.at("nginx", f"{copies} copies came")
        if search.has_copy and not search.marked_id:
            yield SHADOW_ANSWER.at("the shadow", _shadow(search))
    if not search.has_copy or (search.marked_id and search.marked_answer.error):
        advice = TRUST_IT if search.marked_answer.is_untrusted else ""
        yield NO_COPY.at("the shadow", _seen(search) if search.seen else "none is known", advice)


def _in_envoy(search: Search) -> Iterator[Finding]:
    log = search.envoy
    lines = [] if log is None else log.lines(search.canary_id)
    if unmarked := [line for line in lines if line.mark == ""]:
        yield PAST_SIDECAR.at(
            unmarked[0].file, f"its id stands in it without a mark: {_counted([len(unmarked)])}"
        )
    if not search.has_copy:
        return
    if log is not None and not any(log.lines(canary_id) for canary_id in search.ids):
        yield NOT_IN_ENVOY.at(log.option, f"no line holds {' or '.join(search.ids)}")
    if search.envoy_requests == 0:
        yield NOT_IN_ENVOY.at("--envoy-admin", "it counted no request meanwhile")


def _answered(status: int, server: str) -> str:
    return f"answered {status}" + (f" as {server}" if server else "")


def _counted(counts: list[int]) -> str:
    words = ["1 line" if count == 1 else f"{count} lines" for count in counts]
    return words[0] if len(words) == 1 else f"{words[0]}, and {words[1]} of the marked request"


def _seen(search: Search) -> str:
    seen = search.seen
    if seen is None:
        return "not seen"
    copies = "seen once" if seen.copies == 1 else f"seen {seen.copies} times"
    if seen.why_none:
        return f"{copies}, no copy sent: {seen.why_none}"
    return f"{copies}, {_shadow(search)}"


def _shadow(search: Search) -> str:
    assert search.seen is not None
    outcome, status = search.seen.outcome, search.seen.status
    if not status:
        return f"the copy ended as {outcome}" if outcome else "the copy has not ended"
    who = "the proxy itself" if search.seen.is_from_proxy else "the application"
    return f"the copy was answered {status} by {who}"
