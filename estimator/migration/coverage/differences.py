"""Why ingress-nginx and the new routes treat a request differently, in words.

Each reason is one of the surprises of ingress-nginx that routes/ingress_nginx judges. A reason
that supposes another request, such as one with a normalised path, is given only where the new
routes would then do what ingress-nginx does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from estimator.migration.coverage.analysis import decide, path_of
from estimator.migration.coverage.targets import is_same_target
from estimator.migration.coverage.verdicts import is_elsewhere, is_other_service
from estimator.routing.conditions import NO, Kind, Subject, Text
from estimator.routing.decision import Decision, Outcome
from estimator.routing.ingress_nginx import regexes, uris
from estimator.routing.ingress_nginx.routes import IngressRoutes, Taken
from estimator.routing.patterns import as_bytes
from estimator.routing.request import Request
from estimator.routing.rules import Forward, Rule
from estimator.routing.table import RouteTable


@dataclass(frozen=True, slots=True)
class Differences:
    """Explains the decisions of two kinds of routes about one request."""

    before: IngressRoutes
    tables: Sequence[RouteTable]

    def explain(self, request: Request, earlier: Decision, later: Decision) -> str:
        """Return why they differ; empty where no reason is known."""
        taken = self.before.taken(request)
        if taken is None or earlier.outcome in (Outcome.REJECTED, Outcome.UNDECIDED):
            return ""
        return "; ".join(dict.fromkeys(self._reasons(request, taken, earlier, later)))

    def _reasons(
        self, request: Request, taken: Taken, earlier: Decision, later: Decision
    ) -> Iterator[str]:
        if earlier.outcome is Outcome.REDIRECTED:
            yield from _redirect_lost(taken, earlier, later)
            return
        if normalized := self._normalisation(request, taken, earlier):
            yield normalized
            return
        if later.outcome is not Outcome.FORWARDED or is_other_service(earlier, later):
            yield from self._regex_lost(request, taken, earlier)
            yield from self._order(request, earlier, later)
            yield from _longer_prefix(taken, later)
        else:
            yield from _service_alike(taken, request, earlier, later)

    def _normalisation(self, request: Request, taken: Taken, earlier: Decision) -> str:
        """Return what nginx does with the path first, if that is all that the new routes lack."""
        path, mark, query = request.target.partition("?")
        normal = uris.escaped(taken.path)
        if normal == path:
            return ""
        would, _ = decide(self.tables, replace(request, target=normal + mark + query))
        # The target is another one by supposition, so the services alone are compared.
        if would.outcome is not Outcome.FORWARDED or is_other_service(earlier, would):
            return ""
        now, _ = decide(self.tables, request)
        if now.outcome is Outcome.FORWARDED and not is_other_service(earlier, now):
            return ""
        does = [
            *(["merges slashes"] if "//" in path else []),
            *(["resolves dot segments"] if "/." in path else []),
            *(["decodes escapes"] if "%" in path else []),
        ]
        words = " and ".join(does) or "normalises the path"
        return f"nginx {words} before it matches, so it matches {normal}; the new routes do not"

    def _regex_lost(self, request: Request, taken: Taken, earlier: Decision) -> Iterator[str]:
        """Yield how a regex of ingress-nginx takes more than the rule that is to replace it."""
        location, locations = taken.found.location, taken.server.locations
        declared = location.declared
        if not locations.is_regex or declared is None:
            return
        lacks = [
            each
            for table in self.tables
            for host in table.hosts_of(request.authority)
            for rule in (host.rules if host is not None else ())
            if _serves(rule, earlier)
            and (each := _lacks(rule.conditions.path, path_of(request, table))) is not None
        ]
        ignores_case, is_prefix = min(lacks, default=(False, False), key=sum)
        cause = next(
            each for each in locations.entries if each.has_rewrite or each.annotations.use_regex
        )
        name = "use-regex" if cause.annotations.use_regex else "rewrite-target"
        host_wide = f"{name} of {cause.place.resource} makes every path of {taken.server.name}"
        if ignores_case:
            yield f"{host_wide} a regex that ignores case, and the new routes do not"
        if is_prefix and (location.has_rewrite or location.annotations.use_regex):
            yield (
                f"the regex {declared.path} matches the beginning of a path in ingress-nginx, and"
                " the whole path in the new routes"
            )
        elif is_prefix:
            written = f"{declared.path_type} {declared.path}"
            yield f"{host_wide} a regex, so {written} takes whatever begins with it"

    def _order(self, request: Request, earlier: Decision, later: Decision) -> Iterator[str]:
        """Yield that a rule behind the first one does what ingress-nginx does."""
        if later.rule is None:
            return
        for table in self.tables:
            behind = False
            for rule, truth in table.matches(request):
                if behind and truth is not NO and _serves(rule, earlier):
                    yield (
                        "ingress-nginx takes the longest path that matches; the new routes take"
                        f" the first, {later.rule.place}, before {rule.place}"
                    )
                    return
                behind = behind or rule is later.rule


def _serves(rule: Rule, earlier: Decision) -> bool:
    if not isinstance(rule.action, Forward):
        return False
    would = Decision(Outcome.FORWARDED, destinations=rule.action.destinations)
    return not is_elsewhere(earlier, would)


def _redirect_lost(taken: Taken, earlier: Decision, later: Decision) -> Iterator[str]:
    if later.outcome is Outcome.REDIRECTED:
        return
    location = taken.found.location
    if taken.found.adds_slash:
        asked = uris.escaped(taken.path)
        yield (
            f"nginx redirects {asked} to {location.path} ({earlier.status}), because only the slash"
            " at its end is missing; the new routes have no such redirect"
        )
    else:
        yield f"{earlier.why} ({earlier.status}); the new routes have no such redirect"


def _lacks(path: Text, asked: str) -> tuple[bool, bool] | None:
    """Return whether a path must ignore case, and be a prefix, in order to take what is asked.

    None where even both would not do.
    """
    for ignores_case, is_prefix in ((False, False), (True, False), (False, True), (True, True)):
        if path.kind is Kind.REGEX:
            pattern = f"^(?:{path.value})" + ("" if is_prefix else "$")
            flag = "(?i)" if ignores_case else ""
            is_taken = regexes.is_found(flag + pattern, as_bytes(asked))
        else:
            kind = Kind.PREFIX if is_prefix else path.kind
            is_taken = Text(kind, path.value, ignores_case or path.ignores_case).matches(asked)
        if is_taken:
            return ignores_case, is_prefix
    return None


def _longer_prefix(taken: Taken, later: Decision) -> Iterator[str]:
    """Yield that a prefix of the new routes ends within a segment."""
    rule = later.rule
    if rule is None or taken.server.locations.is_regex:
        return
    path, subject = rule.conditions.path, uris.escaped(taken.path)
    if path.kind is not Kind.PREFIX or path.value.endswith("/"):
        return
    if not Text(Kind.SEGMENTS, path.value, path.ignores_case).matches(subject):
        yield (
            f"the prefix {path.value} of {rule.place} is one of the text, and takes {subject};"
            " ingress-nginx compares whole segments"
        )


def _service_alike(
    taken: Taken, request: Request, earlier: Decision, later: Decision
) -> Iterator[str]:
    """Yield how the same service gets a request otherwise."""
    if not earlier.target or is_same_target(earlier.target, later.target):
        return
    location = taken.found.location
    got = f"the service gets {earlier.target} today, and {later.target} with the new routes"
    if location.has_rewrite and is_same_target(later.target, _sent(request)):
        target = location.annotations.rewrite_target
        yield f"the rewrite-target {target} of {location.place.resource} is lost: {got}"
    else:
        yield f"the paths are rewritten otherwise: {got}"


def _sent(request: Request) -> str:
    subject = Subject(request)
    return subject.path + (f"?{subject.query}" if subject.has_query else "")
