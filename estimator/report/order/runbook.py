"""The runbook: for every path in order, why it is there, its steps, and how to go back.

Where Markdown is rendered, the steps are folded, so that a path takes a page.

A snippet has only characters that its program accepts between quotes (snippets/path.py), so none of
them can end a code block.
"""

from collections.abc import Iterator

from estimator.migration.order.moves import Move, Sites
from estimator.migration.order.plan import Plan, PlannedPath
from estimator.migration.snippets.step import Snippet
from estimator.report.markdown import escaped, to_markdown
from estimator.report.order.overview import name_of, overview

_MOST_RULES = 3
_LANGUAGES = {"apache": "apache", "nginx": "nginx"}


def runbook(plan: Plan) -> str:
    """Return the Markdown; it ends in one newline."""
    lines = [to_markdown(overview(plan)).rstrip("\n"), "", *_addresses(plan.sites)]
    for number, path in enumerate((path for path in plan.paths if path.moves), start=1):
        lines += _path(number, path)
    return "\n".join(lines).rstrip("\n") + "\n"


def _addresses(sites: Sites) -> Iterator[str]:
    yield from (
        "## Where requests go",
        "",
        f"- Phase 1, {sites.front} to the application on Swarm: `{sites.swarm}` (`--swarm`)",
        f"- Phase 2, {sites.front} to the gateway: `{sites.gateway}` (`--ingressgateway`)",
        f"- Phase 2, the gateway to the application on Swarm: `{sites.swarm_service}`"
        " (`--app-on-swarm`), which a ServiceEntry or a Service without selector has to name",
        f"- Phase 3, the gateway to the application on Kubernetes: `{sites.service}` (`--app`),"
        " or the service that the new routes name for the path",
        "",
        "## At every step",
        "",
        "- Before the first step of any path, prepare all of them at 0%: rules of one path may take"
        " requests of another that has none yet.",
        "- Watch the statuses and the latency of the path on both sides. A 404 with"
        " `server: istio-envoy` and without `x-envoy-upstream-service-time` is a request that no"
        " route takes: go back, and ask `estimate coverage` which rule is missing.",
        "- `estimate switch-plan` says when to take a step, how many replicas it needs, and at"
        " which error ratio and latency to go back.",
        "- The way back is the text of the step before; all the way back is the text of the start.",
        "",
    )


def _path(number: int, path: PlannedPath) -> Iterator[str]:
    placed = path.placed
    yield from (f"## {number}. {escaped(name_of(path))}: {placed.group.value}", "")
    for words in (*placed.reasons, *placed.hints, *_rules(path)):
        yield f"- {escaped(words)}"
    yield ""
    for move in path.moves:
        yield from _move(move)


def _rules(path: PlannedPath) -> Iterator[str]:
    seen = path.placed.facts.seen
    if seen is None:
        return
    for rule, requests in seen.rules.most_common(_MOST_RULES):
        yield f"the new routes take {requests:,} of its {seen.requests:,} requests by {rule}"
    if len(seen.rules) > _MOST_RULES:
        yield f"and others by further rules: {len(seen.rules) - _MOST_RULES:,}"


def _move(move: Move) -> Iterator[str]:
    yield from (f"### Phase {move.phases}, by {move.program}", "")
    language = _LANGUAGES.get(move.program, "yaml")
    if move.start.preparation:
        yield from ("Once, before the first step:", "")
        yield from _code(language, move.start.preparation)
    yield from (f"The start, `{move.start.file}`:", "")
    yield from _code(language, move.start.text)
    before = 0
    for percent, snippet in move.steps:
        yield from _step(percent, before, language, snippet)
        before = percent


def _step(percent: int, before: int, language: str, snippet: Snippet) -> Iterator[str]:
    back = f"{before}%" if before else "the start"
    yield from (f"<details><summary>{percent}%, and back to {back}</summary>", "")
    yield from (f"Write `{snippet.file}`, then `{snippet.command}`:", "")
    yield from _code(language, snippet.text)
    yield from (f"Rollback: write the text of {back}, then the same command.", "", "</details>", "")


def _code(language: str, text: str) -> Iterator[str]:
    yield from (f"```{language}", text.rstrip("\n"), "```", "")
