"""Which directive is in force where: nginx's levels and its maps.

Most directives of a level take the place of those of the level above, all of one name together:
`proxy_set_header` is inherited only where a level sets none, and so are `mirror`, `access_log` and
the rest that this linter reads (the merge functions of ngx_http_core_module.c,
ngx_http_proxy_module.c, ngx_http_mirror_module.c and ngx_http_log_module.c). `proxy_pass` and other
handlers belong to their own location. Of a directive that a level may set once, nginx takes the
first and refuses a second.

Thousands of locations ask the levels above, so each level and each variable is looked through once.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from mirror.preflight.nginx.reading import Directive

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
MOST_MAPS = 20
"""Most maps that lead from one variable to another."""


@dataclass(frozen=True, eq=False)
class Scope:
    """One level: http, server or location, with the levels above."""

    directive: Directive
    above: "Scope | None" = None

    @property
    def block(self) -> tuple[Directive, ...]:
        return self.directive.block or ()

    @cached_property
    def _by_name(self) -> dict[str, list[Directive]]:
        found: dict[str, list[Directive]] = {}
        for directive in self.block:
            found.setdefault(directive.name, []).append(directive)
        return found

    def own(self, *names: str) -> list[Directive]:
        """Return the directives of these names that stand in this level itself, in their order."""
        if len(names) == 1:
            return self._by_name.get(names[0], [])
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
        if self.own("proxy_set_header") or self.above is None:
            return self._own_headers.get(name.lower())
        return self.above.header(name)

    @cached_property
    def _own_headers(self) -> dict[str, Directive]:
        lines = self.own("proxy_set_header")
        return {line.args[0].lower(): line for line in lines if len(line.args) == 2}


class Variables:
    """The variables that `map` and `split_clients` directives define."""

    def __init__(self, maps: dict[str, Directive]) -> None:
        """`maps` are the directives by the name of their variable, without its `$`."""
        self._maps = maps
        self._leaves: dict[str, frozenset[str]] = {}
        self._without_source: dict[str, str] = {}

    @classmethod
    def of(cls, http: Scope) -> "Variables":
        """Return those of a configuration; of two maps of one name nginx uses the last."""
        named = {
            directive.args[1].removeprefix("$"): directive
            for directive in http.own("map", "split_clients")
            if len(directive.args) == 2 and directive.block is not None
        }
        return cls(named)

    def leaves(self, value: str) -> frozenset[str]:
        """Return what a value may come to: literals, and variables that are no maps.

        A value with several parts is one leaf, because only whole variables are followed.
        """
        if value not in self._leaves:
            self._leaves[value] = frozenset(self._find_leaves(value))
        return self._leaves[value]

    def _find_leaves(self, value: str) -> set[str]:
        leaves: set[str] = set()
        values = {value}
        for _ in range(MOST_MAPS):
            results: set[str] = set()
            for value in values:
                entries = self._entries(value)
                if entries is None:
                    leaves.add(value)
                    continue
                results.update(result for _, result in entries)
                if "default" not in [source for source, _ in entries]:
                    results.add("")
            values = results
        return leaves | values

    def without_source(self, value: str) -> str:
        """Return what a value comes to where the source of its map is empty, such as no Upgrade."""
        if value not in self._without_source:
            entries = self._entries(value)
            results = {"": value} if entries is None else dict(entries)
            self._without_source[value] = results.get("", results.get("default", ""))
        return self._without_source[value]

    def _entries(self, value: str) -> list[tuple[str, str]] | None:
        match = _VARIABLE.fullmatch(value)
        found = self._maps.get(match[1]) if match else None
        if found is None:
            return None
        return [(entry.name, entry.args[0]) for entry in found.block or () if len(entry.args) == 1]
