"""The servers that ingress-nginx makes of all Ingresses together.

This follows createServers and getBackendServers of internal/ingress/controller/controller.go: the
oldest Ingress comes first, the first one of a path keeps it, and each server has a location `/`
for the default backend until a path replaces it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from estimator.routing.ingress_nginx.annotations import Annotations
from estimator.routing.ingress_nginx.ingresses import PREFIX, Ingress, IngressPath
from estimator.routing.ingress_nginx.locations import (
    ROOT,
    Location,
    Locations,
    arranged,
    unjudged_regex,
)

CATCH_ALL = "_"


@dataclass(frozen=True, slots=True)
class Server:
    """One host."""

    name: str
    """`_` for every host that no other server has."""
    names: tuple[str, ...]
    """With its aliases."""
    locations: Locations
    has_certificate: bool
    not_understood: tuple[str, ...]
    unjudged: str = ""
    """Why nothing of it is judged; empty where it is."""


@dataclass(slots=True)
class _Draft:
    locations: list[Location]
    aliases: tuple[str, ...] = ()
    has_certificate: bool = False
    not_understood: dict[str, None] = field(default_factory=dict)


def compile_servers(ingresses: Sequence[Ingress]) -> tuple[tuple[Server, ...], tuple[str, ...]]:
    """Return the servers, and warnings."""
    # Equal times are ordered by falling names (sortIngressSlice).
    ordered = sorted(ingresses, key=lambda each: _key(each), reverse=True)
    ordered.sort(key=lambda each: each.created)
    main = [each for each in ordered if not each.annotations.is_canary]
    drafts = _drafts(main)
    for ingress in main:
        for rule in ingress.rules:
            draft = drafts[rule.host or CATCH_ALL]
            for path in rule.paths:
                _add_path(draft, ingress, path)
    for ingress in ordered:
        if ingress.annotations.is_canary:
            _mark_canary(drafts, ingress)
    warnings: list[str] = []
    # nginx gives an alias that several servers claim to the first one, in the order of the file.
    servers = [_server(name, drafts[name], drafts, warnings) for name in sorted(drafts)]
    servers += _redirecting_servers(main, drafts)
    return tuple(servers), tuple(warnings)


def _key(ingress: Ingress) -> str:
    return f"{ingress.place.namespace}/{ingress.place.name}"


def _drafts(ingresses: Iterable[Ingress]) -> dict[str, _Draft]:
    """Return a draft for each host, with the default backend in it."""
    drafts: dict[str, _Draft] = {}
    catch_all: Ingress | None = None
    for ingress in ingresses:
        if not ingress.rules and ingress.default is not None:
            catch_all = catch_all or ingress
        for rule in ingress.rules:
            host = rule.host or CATCH_ALL
            if host not in drafts:
                location = _default_location(ingress)
                drafts[host] = _Draft([location])
                if host == CATCH_ALL:
                    # The server for every host exists before any Ingress, without annotations.
                    bare = replace(location, service=None, annotations=Annotations())
                    drafts[host] = _Draft([bare])
            draft = drafts[host]
            draft.aliases = draft.aliases or ingress.annotations.aliases
            draft.has_certificate |= ingress.has_tls
            draft.not_understood |= dict.fromkeys(
                f"{ingress.place}: annotation {name}"
                for name in ingress.annotations.unjudged_of_server
            )
    if catch_all is not None:
        location = _default_location(catch_all)
        own = replace(location.annotations, redirect="", rewrite_target="", use_regex=False)
        own = replace(own, app_root="")
        location = replace(location, annotations=own, declared=_as_path(catch_all))
        rest = drafts[CATCH_ALL].locations[1:] if CATCH_ALL in drafts else []
        drafts.setdefault(CATCH_ALL, _Draft([])).locations = [location, *rest]
    return drafts


def _as_path(ingress: Ingress) -> IngressPath | None:
    """Return the default backend of an Ingress without rules as the path `/` of every host."""
    if ingress.default is None:
        return None
    return IngressPath(ingress.place, ROOT, PREFIX, ingress.default)


def _default_location(ingress: Ingress) -> Location:
    return Location(
        ingress.place,
        ROOT,
        PREFIX,
        ingress.default,
        ingress.annotations,
        not_understood=_unjudged(ingress),
        created=ingress.created,
    )


def _unjudged(ingress: Ingress) -> tuple[str, ...]:
    return tuple(f"{ingress.place}: annotation {name}" for name in ingress.annotations.unjudged)


def _add_path(draft: _Draft, ingress: Ingress, path: IngressPath) -> None:
    location = Location(
        path.place,
        path.path,
        path.path_type,
        path.service,
        ingress.annotations,
        path,
        _unjudged(ingress),
        ingress.created,
    )
    for number, other in enumerate(draft.locations):
        if other.path != path.path:
            continue
        # ingress-nginx looks no further than the first location with the same path.
        if other.path_type != path.path_type:
            break
        if other.declared is None:
            draft.locations[number] = location
        elif not _is_same(other, location):
            draft.locations[number] = _kept(other, location)
        return
    draft.locations.append(location)


def _is_same(one: Location, other: Location) -> bool:
    return one.service == other.service and one.annotations == other.annotations


def _kept(first: Location, other: Location) -> Location:
    """Return the first location of a path, with a doubt where no file tells that it is older."""
    if first.place.resource == other.place.resource or (first.created and other.created):
        return first
    doubt = (
        f"{other.place}: has the path {other.path} of {first.place.resource}, too; the older of the"
        " two keeps it, and metadata.creationTimestamp is not in the files"
    )
    return replace(first, not_understood=(*first.not_understood, doubt))


def _mark_canary(drafts: dict[str, _Draft], canary: Ingress) -> None:
    """Mark the locations whose requests a canary gets in part."""
    doubt = f"{canary.place}: annotation canary"
    for rule in canary.rules:
        draft = drafts.get(rule.host or CATCH_ALL)
        if draft is None:
            continue
        paths = {path.path for path in rule.paths}
        draft.locations = [
            replace(each, not_understood=(*each.not_understood, doubt))
            if each.path in paths
            else each
            for each in draft.locations
        ]


def _redirecting_servers(
    ingresses: Iterable[Ingress], drafts: Mapping[str, _Draft]
) -> Iterator[Server]:
    """Yield the servers that from-to-www-redirect adds: www.a.com for a.com, and the reverse."""
    done: set[str] = set()
    for ingress in ingresses:
        for rule in ingress.rules if ingress.annotations.redirects_www else ():
            name = rule.host.removeprefix("www.")
            other = name if name != rule.host else f"www.{name}"
            if rule.host and other not in drafts and other not in done:
                done.add(other)
                why = f"{ingress.place}: from-to-www-redirect is not judged"
                yield Server(other, (other,), Locations((), False), False, (), why)


def _server(name: str, draft: _Draft, drafts: dict[str, _Draft], warnings: list[str]) -> Server:
    locations, twice = arranged(draft.locations)
    warnings += (
        f"{location.place}: nginx refuses a second location {location.path} of {name}, so"
        " ingress-nginx does not load this; the first is judged"
        for location in twice
    )
    if reason := unjudged_regex(locations):
        warnings.append(reason)
    warnings += (
        f"{draft.locations[0].place}: the server-alias {alias} is a pattern, which is not judged"
        for alias in draft.aliases
        if "*" in alias or alias.startswith("~")
    )
    aliases = tuple(each.lower() for each in draft.aliases if each.lower() not in drafts)
    return Server(
        name,
        (name, *aliases),
        locations,
        draft.has_certificate,
        tuple(draft.not_understood),
        reason,
    )
