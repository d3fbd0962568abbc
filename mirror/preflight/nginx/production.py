"""The locations that serve production: what they mirror where, and through what they proxy.

A request is counted once if exactly one way leads from its location to the sidecar, and arrives in
the new cluster once if no other way leads there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mirror.preflight.findings import Finding
from mirror.preflight.nginx import rules
from mirror.preflight.nginx.connections import connection_findings
from mirror.preflight.nginx.copies import copy_findings, mode_findings, target_findings
from mirror.preflight.nginx.destinations import Destination, Site
from mirror.preflight.nginx.expressions import PatternError
from mirror.preflight.nginx.locations import Location, Locations
from mirror.preflight.nginx.logs import log_findings
from mirror.preflight.nginx.reading import Directive
from mirror.preflight.nginx.scopes import Scope

MOST_MIRRORS = 20
"""Most `mirror` directives in force in one location that are judged."""
_HANDLERS = (
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "memcached_pass",
    "return",
    "stub_status",
    "empty_gif",
    "content_by_lua",
    "content_by_lua_block",
    "content_by_lua_file",
    "js_content",
)
"""Directives that answer a request; without one, nginx serves files."""
_NGINXS_OWN = frozenset({"500", "502", "503", "504"})
"""Status codes that nginx answers itself where an upstream fails."""
_REPEATS = ("invalid_header", "non_idempotent")


@dataclass(frozen=True, slots=True)
class Copy:
    """One `mirror` directive in force in a location, and where its subrequest goes."""

    mirror: Directive
    location: Location
    to: Destination


def copies_of(
    serving: Location, locations: Locations, site: Site
) -> tuple[list[Copy], list[Finding]]:
    """Return what a location mirrors, and what is wrong with its `mirror` directives.

    `locations` are those of its server, among which nginx looks for the mirrored URI.
    """
    copies, found = [], []
    lines = serving.scope.in_force("mirror")
    if len(lines) > MOST_MIRRORS:
        what = f"More than {MOST_MIRRORS} `mirror` are in force in {serving.name}; the rest is"
        found.append(rules.UNREADABLE.at(lines[MOST_MIRRORS].where, f"{what} not judged."))
    for mirror in lines[:MOST_MIRRORS]:
        uri = mirror.args[0] if mirror.args else "off"
        if uri == "off":
            continue
        if "$" in uri:
            found.append(
                rules.MIRROR_VARIABLE.at(mirror.where, f"`{mirror.shown}` has a variable.")
            )
            continue
        try:
            location = locations.find(uri)
        except PatternError as error:
            found.append(_undecided(mirror, error))
            continue
        passes = location.scope.proxy_passes() if location else []
        if location is None or (not passes and not _is_own(location, uri)):
            what = f"No location serves `{mirror.shown}`, so nothing is sent."
            found.append(rules.NOT_REACHED.at(mirror.where, what))
        elif not _is_own(location, uri):
            what = f"`{mirror.shown}` is served by {location.name} as any other request."
            found.append(rules.TO_PRODUCTION.at(mirror.where, what))
        else:
            copies += [Copy(mirror, location, site.destinations.of(line)) for line in passes[:1]]
    return copies, found


def fall_through(serving: Location, locations: Locations) -> list[Finding]:
    """Return a finding where the last name of `try_files` leads to a location without `mirror`.

    Measured with nginx 1.22: ngx_http_try_files_module acts before ngx_http_mirror_module, so the
    mirror of the location that falls through sends nothing.
    """
    found: list[Finding] = []
    for line in serving.scope.own("try_files"):
        target = line.args[-1].partition("?")[0] if line.args else "="
        if target.startswith("=") or "$" in target:
            continue
        last = _destination(line, target, locations, found)
        if last is not None and not _mirrors(last):
            what = f"`{line.shown}` leads to {last.name}, in which no `mirror` is in force."
            found.append(rules.TRY_FILES.at(line.where, what))
    return found


def mirrored_again(serving: Location, locations: Locations) -> list[Finding]:
    """Return a finding where an `error_page` leads to a location that mirrors, once more.

    Measured with nginx 1.22: two copies with one id, also where the location is the same. A
    `return`, the end of `try_files` and a refusal (`deny`) act before `mirror`, and so does a
    `return` in the second location; then there is one copy.
    """
    scope = serving.scope
    found: list[Finding] = []
    for line in scope.in_force("error_page"):
        target = line.args[-1].partition("?")[0] if line.args else ""
        # What begins otherwise sends the client away.
        if not target.startswith(("/", "@")) or not _fails_after_mirror(scope, line.args[:-1]):
            continue
        if "$" in target:
            found.append(rules.NOT_JUDGED.at(line.where, f"`{line.shown}` has a variable."))
            continue
        last = _destination(line, target, locations, found)
        if last is None or (last is serving and last.modifier == "="):
            continue  # hardly anybody asks for the error page itself
        if _mirrors(last) and not last.scope.own("return"):
            what = f"`{line.shown}` ({line.where}) leads from {serving.name} to {last.name}."
            found.append(rules.ERROR_PAGE.at(last.scope.directive.where, what))
    return found


def _fails_after_mirror(scope: Scope, codes: Sequence[str]) -> bool:
    """Say whether one of the status codes may come from what a location does after `mirror`."""
    passes = [line.name for line in scope.block if line.name.endswith("_pass")]
    if not passes:
        return not scope.own("return", "try_files")
    if any(scope.value(f"{name[:-5]}_intercept_errors", "off") == "on" for name in passes):
        return True
    return not _NGINXS_OWN.isdisjoint(codes)


def _destination(
    line: Directive, target: str, locations: Locations, found: list[Finding]
) -> Location | None:
    """Return the location to which nginx goes on by itself; None where none fits.

    None as well where that cannot be judged, which is then added to `found`.
    """
    if target.startswith("@"):
        return locations.named(target)
    try:
        return locations.find(target)
    except PatternError as error:
        found.append(_undecided(line, error))
        return None


def _undecided(line: Directive, error: PatternError) -> Finding:
    return rules.EXPRESSION.at(line.where, f"Where `{line.shown}` leads is not known: {error}.")


def _mirrors(location: Location) -> bool:
    return any(line.args != ("off",) for line in location.scope.in_force("mirror"))


def production_findings(serving: Location, copies: Sequence[Copy], site: Site) -> list[Finding]:
    """Return what is wrong with a location that serves production."""
    passes = serving.scope.proxy_passes()
    through = site.destinations.of(passes[0]) if passes else None
    found = _twice(serving, copies, through)
    if through is not None and through.kind == "sidecar":
        found += _inline(serving, through, site)
    for copy in copies:
        if copy.to.kind == "sidecar":
            found += _sink(serving, copy, site)
        elif copy.to.kind == "unknown":
            what = f"`{copy.to.proxy_pass.shown}` leads to a variable."
            found.append(rules.NOT_JUDGED.at(copy.to.proxy_pass.where, what))
    if copies and _may_redirect(serving):
        what = f"{serving.name} mirrors and serves files, so `index` applies."
        found.append(rules.INDEX_REDIRECT.at(copies[0].mirror.where, what))
    return found


def _is_own(location: Location, uri: str) -> bool:
    """Say whether a location is made for the mirrored URI, and not for what clients ask for."""
    return bool(location.pattern == uri or location.scope.in_force("internal"))


def _twice(serving: Location, copies: Sequence[Copy], through: Destination | None) -> list[Finding]:
    """Return findings about further ways to the sidecar, or around it."""
    ways = [copy for copy in copies if copy.to.kind == "sidecar"]
    is_inline = through is not None and through.kind == "sidecar"
    found = [
        rules.MIRRORED_TWICE.at(
            copy.mirror.where,
            f"`{copy.mirror.shown}` is another way of {serving.name} to the sidecar.",
        )
        for copy in (ways if is_inline else ways[1:])
    ]
    if not ways and not is_inline:
        return found
    for copy in copies:
        place = copy.to.proxy_pass
        if copy.to.kind in ("shadow", "near_shadow"):
            what = (
                f"`{copy.mirror.shown}` in {serving.name} leads to `{place.shown}` ({place.where})"
            )
            what += (
                ", the shadow."
                if copy.to.kind == "shadow"
                else ", another port of the shadow's host, perhaps the nginx that logs."
            )
            found.append(rules.PAST_THE_SIDECAR.at(copy.mirror.where, what))
        elif copy.to.kind == "other":
            what = f"`{copy.mirror.shown}` in {serving.name} leads to `{place.shown}`."
            found.append(rules.OTHER_MIRROR.at(copy.mirror.where, what))
    return found


def _sink(serving: Location, copy: Copy, site: Site) -> list[Finding]:
    if site.config.mode == "inline":
        what = f"`{copy.mirror.shown}` sends copies to a sidecar in mode inline."
        return [rules.WRONG_MODE.at(copy.mirror.where, what)]
    return [
        *copy_findings(copy.location, serving, copy.to, site),
        *log_findings(serving, site),
    ]


def _inline(serving: Location, through: Destination, site: Site) -> list[Finding]:
    place = through.proxy_pass
    if site.config.mode == "sink":
        what = f"`{place.shown}` in {serving.name} gives production to a sidecar in mode sink."
        return [rules.WRONG_MODE.at(place.where, what)]
    found = [*connection_findings(serving, through, site), *target_findings(serving, site)]
    scope = serving.scope
    if scope.header("Upgrade") is None:
        what = f"No `proxy_set_header Upgrade` is in force in {serving.name}."
        found.append(rules.UPGRADE.at(scope.directive.where, what))
    found += mode_findings(serving, "inline")
    for line in scope.in_force("proxy_next_upstream"):
        if repeats := [word for word in line.args if word.startswith("http_") or word in _REPEATS]:
            what = f"`{line.shown}` repeats a request: {', '.join(repeats)}."
            found.append(rules.NEXT_UPSTREAM.at(line.where, what))
    return found


def _may_redirect(location: Location) -> bool:
    """Say whether nginx serves files there, for a URI that ends in a slash."""
    if location.scope.own(*_HANDLERS) or location.is_regex or location.is_named:
        return False
    for line in location.scope.own("try_files"):
        if not any(name.endswith("/") for name in line.args[:-1]):
            return False
    return location.modifier != "=" or location.pattern.endswith("/")
