"""The locations of a server, and which of them takes a path.

ingress-nginx sorts the paths of a host by descending length and makes two locations of a Prefix,
`/a/` and `= /a` (updateServerLocations in internal/ingress/controller/location.go). Where any
Ingress of the host has `use-regex`, or a `rewrite-target` other than its path, every location of
the host becomes `~* "^path"` (enforceRegexModifier and buildLocation in template/template.go), and
the first that matches takes the request. Otherwise nginx prefers `=`, then the redirect from /a to
`/a/`, then the longest prefix (`ngx_http_core_find_static_location`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from estimator.routing.ingress_nginx import regexes
from estimator.routing.ingress_nginx.annotations import Annotations
from estimator.routing.ingress_nginx.ingresses import EXACT, PREFIX, IngressPath
from estimator.routing.patterns import PatternError, as_bytes, check
from estimator.routing.rules import Destination, Place

ROOT = "/"


@dataclass(frozen=True, slots=True)
class Location:
    """A location of nginx."""

    place: Place
    """Where the path is written, or the Ingress whose annotations the default backend got."""
    path: str
    path_type: str
    service: Destination | None
    """None for the default backend of the controller, which answers 404."""
    annotations: Annotations
    declared: IngressPath | None = None
    """None for the default backend."""
    not_understood: tuple[str, ...] = ()
    created: str = ""
    """When its Ingress was; empty where the file does not tell."""

    @property
    def has_rewrite(self) -> bool:
        """A rewrite to the path itself is none (needsRewrite)."""
        return self.annotations.rewrite_target not in ("", self.path)


@dataclass(frozen=True, slots=True)
class Found:
    """The location that takes a path."""

    location: Location
    adds_slash: bool = False
    """nginx redirects to the path of the location, which has one more slash at its end."""


@dataclass(frozen=True, slots=True)
class Locations:
    """All locations of a server, in order."""

    entries: tuple[Location, ...]
    is_regex: bool
    """Every path is a case-insensitive regex."""

    def find(self, path: bytes) -> Found | None:
        """Return what takes a path. Raises PatternError where a regex on the way is not judged."""
        if self.is_regex:
            for entry in self.entries:
                if regexes.begins(entry.path, path):
                    return Found(entry)
            return None
        longest: Location | None = None
        slash: Location | None = None
        for entry in self.entries:
            name = as_bytes(entry.path)
            if entry.path_type == EXACT and name == path:
                return Found(entry)
            if name == path + b"/":
                slash = slash or entry
            if entry.path_type == PREFIX and path.startswith(name):
                # The entries are sorted, so the first is the longest.
                longest = longest or entry
        if slash is not None and (longest is None or as_bytes(longest.path) != path):
            return Found(slash, adds_slash=True)
        return None if longest is None else Found(longest)


def arranged(locations: Iterable[Location]) -> tuple[Locations, tuple[Location, ...]]:
    """Return the locations that nginx gets, and those that it would refuse as duplicates."""
    ordered = sorted(locations, key=lambda each: as_bytes(each.path), reverse=True)
    ordered.sort(key=lambda each: -len(as_bytes(each.path)))
    exact = {each.path for each in ordered if each.path_type == EXACT}
    entries: list[Location] = []
    for each in ordered:
        is_kept = each.path == ROOT or each.path_type == EXACT
        if is_kept or each.has_rewrite or each.annotations.use_regex:
            entries.append(each)
            continue
        entries.append(replace(each, path=each.path.removesuffix("/") + "/"))
        if each.path not in exact:
            entries.append(replace(each, path_type=EXACT))
    is_regex = any(each.has_rewrite or each.annotations.use_regex for each in entries)
    if is_regex:
        return Locations(tuple(entries), is_regex), ()
    kept: dict[tuple[str, str], Location] = {}
    twice = [
        each for each in entries if kept.setdefault((each.path, each.path_type), each) is not each
    ]
    # A Prefix got a slash at its end after the sorting.
    by_length = sorted(kept.values(), key=lambda each: -len(as_bytes(each.path)))
    return Locations(tuple(by_length), is_regex), tuple(twice)


def unjudged_regex(locations: Locations) -> str:
    """Return why a regex is not judged; empty where all are."""
    if locations.is_regex:
        for entry in locations.entries:
            try:
                check(f"(?i)^{regexes.as_read(entry.path)}")
            except PatternError as error:
                return f"{entry.place}: RE2 refuses the path {entry.path}: {error}"
    return ""
