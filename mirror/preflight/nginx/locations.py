"""The locations of a server, and which of them nginx chooses for a URI.

Thousands of locations inherit one `mirror`, so each level is indexed once, and a choice is made
once for each URI.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirror.preflight.nginx.expressions import LONGEST, Expressions, PatternError
from mirror.preflight.nginx.scopes import Scope


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    """A location, or a server as a whole where no location fits."""

    scope: Scope
    modifier: str = ""
    """"=", "^~", "~" or "~*"; empty for a prefix."""
    pattern: str = ""
    inner: "Locations | None" = None

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


class Locations:
    """The locations that stand directly in a server or in a location."""

    def __init__(self, scope: Scope, expressions: Expressions) -> None:
        self._expressions = expressions
        self.direct: list[Location] = []
        """In their order, with the named ones."""
        self._exact: dict[str, Location] = {}
        self._prefixes: dict[str, Location] = {}
        self._regexes: list[Location] = []
        self._named: dict[str, Location] = {}
        self._choices: dict[str, tuple[Location | None, bool] | PatternError] = {}
        for directive in scope.own("location"):
            if directive.args and directive.block is not None:
                inner = Scope(directive, scope)
                words = _modifier(directive.args)
                self._add(Location(inner, *words, Locations(inner, expressions)))

    def _add(self, location: Location) -> None:
        self.direct.append(location)
        if location.is_named:
            self._named.setdefault(location.pattern, location)
        elif location.is_regex:
            self._regexes.append(location)
        elif location.modifier == "=":
            self._exact.setdefault(location.pattern, location)
        elif location.modifier in ("", "^~"):
            self._prefixes.setdefault(location.pattern, location)

    def everywhere(self) -> Iterator[Location]:
        """Yield these locations and all inside them, each before those that it holds."""
        left = self.direct[::-1]
        while left:
            location = left.pop()
            yield location
            if location.inner is not None:
                left += location.inner.direct[::-1]

    def named(self, name: str) -> Location | None:
        """Return the location that is declared as `name`, such as `@app`."""
        return self._named.get(name)

    def find(self, uri: str) -> Location | None:
        """Return the location that nginx chooses for a URI; None where none fits.

        Exact first; then the longest prefix, and inside it again; then, unless that prefix is
        marked `^~` or the choice inside it was an exact one or an expression, the first regular
        expression (ngx_http_core_find_location). Raises PatternError for an expression that cannot
        be judged, or a URI that nginx refuses.
        """
        if len(uri) > LONGEST:
            raise PatternError(f"a URI of more than {LONGEST:,} characters, which nginx refuses")
        return self._choice(uri)[0]

    def _choice(self, uri: str) -> tuple[Location | None, bool]:
        """Return the choice, and whether expressions further out are no longer asked."""
        if uri not in self._choices:
            try:
                self._choices[uri] = self._choose(uri)
            except PatternError as error:
                self._choices[uri] = error
        choice = self._choices[uri]
        if isinstance(choice, PatternError):
            raise choice
        return choice

    def _choose(self, uri: str) -> tuple[Location | None, bool]:
        if (exact := self._exact.get(uri)) is not None:
            return exact, True
        longest = self._longest_prefix(uri)
        inner = longest.inner if longest else None
        inside, is_final = inner._choice(uri) if inner else (None, False)
        if is_final:
            return inside, True
        if longest is None or longest.modifier != "^~":
            for location in self._regexes:
                if self._fits(location, uri):
                    found = location.inner.find(uri) if location.inner else None
                    return found or location, True
        return inside or longest, False

    def _longest_prefix(self, uri: str) -> Location | None:
        for length in range(len(uri), -1, -1):
            if (location := self._prefixes.get(uri[:length])) is not None:
                return location
        return None

    def _fits(self, location: Location, uri: str) -> bool:
        try:
            return self._expressions.fits(location.pattern, location.modifier == "~*", uri)
        except PatternError as error:
            place = location.scope.directive.where
            raise PatternError(f"{location.name} ({place}): {error}") from error


def _modifier(args: Sequence[str]) -> tuple[str, str]:
    if len(args) > 1:
        return args[0], args[1]
    for modifier in ("^~", "~*", "~", "="):  # nginx also takes them without a space
        if args[0].startswith(modifier):
            return modifier, args[0].removeprefix(modifier)
    return "", args[0]
