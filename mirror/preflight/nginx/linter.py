"""nginx's configuration as findings about the copies: what is counted twice, lost or delayed.

Nothing is run: the linter reads the files, so it also works where nginx is another machine's. It
says what it did not judge.
"""

from collections.abc import Iterator

from mirror.config import Config
from mirror.preflight.findings import Finding
from mirror.preflight.nginx import rules
from mirror.preflight.nginx.destinations import Site
from mirror.preflight.nginx.locations import Location, Locations
from mirror.preflight.nginx.logs import error_log_findings
from mirror.preflight.nginx.mirrored import Served, circle_findings, host_findings, mirrored_note
from mirror.preflight.nginx.production import (
    Copy,
    copies_of,
    fall_through,
    mirrored_again,
    production_findings,
)
from mirror.preflight.nginx.reading import STDIN, STDIN_NAME, Directive, read_configuration
from mirror.preflight.nginx.scopes import Scope


def lint(path: str, config: Config, host: str | None = None) -> list[Finding]:
    """Return the findings about nginx's main file at `path`, or about a part that it includes.

    `host` is a host of production, whose server must be one that mirrors.
    """
    directives, found = read_configuration(path)
    path = STDIN_NAME if path == STDIN else path
    if not directives:
        return found or [rules.UNREADABLE.at(path, "It holds no directive.")]
    http = Scope(_http(path, directives))
    site = Site.of(http, config)
    servers = [
        Served(Scope(server, http)) for server in http.own("server") if server.block is not None
    ]
    for server in servers:
        for serving, copies, problems in _serving(server.scope, site):
            found += problems
            found += production_findings(serving, copies, site)
            if not _uses_sidecar(serving, copies, site):
                server.others.append(serving)
                continue
            server.mirrored.append(serving)
            for location in (serving, *(copy.location for copy in copies)):
                found += _not_judged(location)
    mirrored = [location for server in servers for location in server.mirrored]
    found += error_log_findings(directives, mirrored, site)
    if mirrored:
        found.append(mirrored_note(path, servers))
        found += circle_findings(servers, config.shadow.url)
        found += host_findings(servers, host, site.expressions) if host else []
    elif not any(finding.code == rules.EXPRESSION.code for finding in found):
        listen = ", ".join(map(str, config.listen))
        what = f"No proxy_pass leads to {listen}, directly or by `mirror`."
        found.append(rules.NOT_REACHED.at(path, what))
    return list(dict.fromkeys(found))


def _http(path: str, directives: tuple[Directive, ...]) -> Directive:
    """Return the http block; a file that is included inside one is taken for its content."""
    blocks = [directive for directive in directives if directive.name == "http"]
    if not blocks:
        return Directive("http", (), path, 1, directives)
    block = tuple(inner for directive in blocks for inner in directive.block or ())
    return Directive("http", (), blocks[0].file, blocks[0].line, block)


def _serving(server: Scope, site: Site) -> Iterator[tuple[Location, list[Copy], list[Finding]]]:
    """Yield the locations that serve production, what each mirrors, and what is wrong with that."""
    locations = Locations(server, site.expressions)
    everywhere = list(locations.everywhere())
    mirroring = [
        (location, *copies_of(location, locations, site))
        for location in everywhere or [Location(server)]
        if not location.scope.in_force("internal")
    ]
    targets = {id(copy.location.scope.directive) for _, copies, _ in mirroring for copy in copies}
    for location, copies, problems in mirroring:
        if id(location.scope.directive) not in targets:
            if copies:
                problems += fall_through(location, locations) + mirrored_again(location, locations)
            yield location, copies, problems


def _uses_sidecar(serving: Location, copies: list[Copy], site: Site) -> bool:
    passes = serving.scope.proxy_passes()
    kinds = [copy.to.kind for copy in copies]
    kinds += [site.destinations.of(passes[0]).kind] if passes else []
    return "sidecar" in kinds


def _not_judged(location: Location) -> list[Finding]:
    """Return a finding about what decides in a location only when a request comes."""
    found = [
        directive
        for directive in location.scope.block
        if directive.name in ("if", "limit_except", "perl")
        or directive.name.startswith("js_")
        or "_by_lua" in directive.name
    ]
    if not found:
        return []
    names = ", ".join(dict.fromkeys(f"`{directive.name}`" for directive in found))
    return [rules.NOT_JUDGED.at(found[0].where, f"{names} in {location.name} may change this.")]
