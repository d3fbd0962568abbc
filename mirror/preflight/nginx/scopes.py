"""Which directive is in force where: nginx's levels, its choice of a location, and its maps.

Most directives of a level take the place of those of the level above, all of one name together:
`proxy_set_header` is inherited only where a level sets none, and so are `mirror`, `access_log` and
the rest that this linter reads (the merge functions of ngx_http_core_module.c,
ngx_http_proxy_module.c, ngx_http_mirror_module.c and ngx_http_log_module.c). `proxy_pass` and other
handlers belong to their own location. Of a directive that a level may set once, nginx takes the
first and refuses a second.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirror.preflight.nginx.reading import Directive

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
MOST_MAPS = 20
"""Most maps that lead from one variable to another."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One level: http, server or location, with the levels above."""

    directive: Directive
    above: "Scope | None" = None

    @property
    def block(self) -> tuple[Directive, ...]:
        return self.directive.block or ()

    def own(self, *names: str) -> list[Directive]:
        """Return the directives of these names that stand in this level itself."""
        return [directive for directive in self.block if directive.name in names]

    def in_force(self, name: str) -> list[Directive]:
        """Return the directives of a name on the nearest level that has any."""
        if found := self.own(name):
            return found
        return self.above.in_force(name) if self.above else []

    def value(self, name: str, default: str) -> str:
        """Return the first argument of the directive in force, in lower case."""
        found = self.in_force(name)
        return found[0].args[0].lower() if found and found[0].args else default

    def place(self, name: str) -> str:
        """Return where the directive in force stands, or this level where there is none."""
        found = self.in_force(name)
        return found[0].where if found else self.directive.where

    def proxy_passes(self) -> list[Directive]:
        """Return each `proxy_pass` of this level, with those of its `if` and `limit_except`."""
        inner = [
            directive
            for condition in self.own("if", "limit_except")
            for directive in condition.block or ()
            if directive.name == "proxy_pass"
        ]
        return self.own("proxy_pass") + inner

    def header(self, name: str) -> Directive | None:
        """Return the `proxy_set_header` in force for a name; the last one counts."""
        for directive in reversed(self.in_force("proxy_set_header")):
            if len(directive.args) == 2 and directive.args[0].lower() == name.lower():
                return directive
        return None


@dataclass(frozen=True, slots=True)
class Location:
    """A location, or a server as a whole where no location fits."""

    scope: Scope
    modifier: str = ""
    """"=", "^~", "~" or "~*"; empty for a prefix."""
    pattern: str = ""
    inner: tuple["Location", ...] = ()

    @property
    def name(self) -> str:
        """The location as a finding quotes it."""
        if self.scope.directive.name == "server":
            return "the server"
        return f"location {' '.join(self.scope.directive.args)}"

    @property
    def is_named(self) -> bool:
        return self.pattern.startswith("@")

    @property
    def is_regex(self) -> bool:
        return self.modifier in ("~", "~*")

    def everywhere(self) -> Iterator["Location"]:
        """Return this location and all inside it."""
        yield self
        for location in self.inner:
            yield from location.everywhere()


class PatternError(ValueError):
    """A regular expression cannot be judged here; the text says which."""


def read_locations(scope: Scope) -> tuple[Location, ...]:
    """Return the locations that stand directly in a server or in a location."""
    found = []
    for directive in scope.own("location"):
        args = directive.args
        if not args or directive.block is None:
            continue
        modifier, pattern = _modifier(args)
        inner = Scope(directive, scope)
        found.append(Location(inner, modifier, pattern, read_locations(inner)))
    return tuple(found)


def _modifier(args: Sequence[str]) -> tuple[str, str]:
    if len(args) > 1:
        return args[0], args[1]
    for modifier in ("^~", "~*", "~", "="):  # nginx also takes them without a space
        if args[0].startswith(modifier):
            return modifier, args[0].removeprefix(modifier)
    return "", args[0]


def find_named(locations: Sequence[Location], name: str) -> Location | None:
    """Return the location that is declared as `name`, such as `@app`."""
    return next((location for location in locations if location.pattern == name), None)


def find_location(locations: Sequence[Location], uri: str) -> Location | None:
    """Return the location that nginx chooses for a URI; None where none fits.

    Exact first; then the longest prefix, and inside it again; then, unless that prefix is marked
    `^~` or the choice inside it was an exact one or an expression, the first regular expression
    (ngx_http_core_find_location). Raises PatternError for one that Python cannot read.
    """
    return _find(locations, uri)[0]


def _find(locations: Sequence[Location], uri: str) -> tuple[Location | None, bool]:
    """Return the choice, and whether expressions further out are no longer asked."""
    plain = [location for location in locations if not location.is_named]
    for location in plain:
        if location.modifier == "=" and location.pattern == uri:
            return location, True
    prefixes = [
        location
        for location in plain
        if location.modifier in ("", "^~") and uri.startswith(location.pattern)
    ]
    longest = max(prefixes, key=lambda location: len(location.pattern), default=None)
    inside, is_final = _find(longest.inner, uri) if longest else (None, False)
    if is_final:
        return inside, True
    if longest is None or longest.modifier != "^~":
        for location in plain:
            if location.is_regex and _fits(location, uri):
                return _find(location.inner, uri)[0] or location, True
    return inside or longest, False


def _fits(location: Location, uri: str) -> bool:
    flags = re.IGNORECASE if location.modifier == "~*" else 0
    try:
        # PCRE also names groups as Python does not: (?<name>...).
        return re.search(re.sub(r"\(\?<(?=\w)", "(?P<", location.pattern), uri, flags) is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"{location.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables that `map` and `split_clients` directives define."""

    maps: dict[str, Directive]

    @classmethod
    def of(cls, http: Scope) -> "Variables":
        """Return those of a configuration; of two maps of one name nginx uses the last."""
        named = {
            directive.args[1].removeprefix("$"): directive
            for directive in http.own("map", "split_clients")
            if len(directive.args) == 2 and directive.block is not None
        }
        return cls(named)

    def leaves(self, value: str) -> set[str]:
        """Return what a value may come to: literals, and variables that are no maps.

        A value with several parts is one leaf, because only whole variables are followed.
        """
        return self._leaves(value, MOST_MAPS)

    def _leaves(self, value: str, left: int) -> set[str]:
        entries = self._entries(value)
        if entries is None or not left:
            return {value}
        results = {result for _, result in entries}
        if "default" not in [source for source, _ in entries]:
            results.add("")
        return {leaf for result in results for leaf in self._leaves(result, left - 1)}

    def without_source(self, value: str) -> str:
        """Return what a value comes to where the source of its map is empty, such as no Upgrade."""
        entries = self._entries(value)
        if entries is None:
            return value
        results = dict(entries)
        return results.get("", results.get("default", ""))

    def _entries(self, value: str) -> list[tuple[str, str]] | None:
        match = _VARIABLE.fullmatch(value)
        found = self.maps.get(match[1]) if match else None
        if found is None:
            return None
        return [(entry.name, entry.args[0]) for entry in found.block or () if len(entry.args) == 1]
