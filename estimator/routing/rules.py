"""The rules of a route table: what each asks of a request, what it does, and where it is written.

Istio compiles VirtualService and HTTPRoute into one kind of rule, a route of Envoy, so the readers
of both build these. A rule is a value and judges nothing; table.py applies it.
"""

from dataclasses import dataclass

from estimator.routing.conditions import Conditions


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written."""

    file: str
    line: int
    kind: str
    namespace: str
    name: str
    part: str = ""
    """The path within the object, such as `http[2].match[0]`; empty for the object itself."""

    @property
    def resource(self) -> str:
        """The object without its file: `VirtualService shop/web`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    def __str__(self) -> str:
        part = f", {self.part}" if self.part else ""
        return f"{self.file}:{self.line}: {self.resource}{part}"


@dataclass(frozen=True, slots=True)
class Destination:
    """A service that gets a share of the requests of a rule."""

    host: str
    """`name.namespace` for a Service of the cluster, however the object names it; or a host."""
    port: int | None = None
    share: float = 1.0
    """From 0 to 1. The shares of one rule add up to 1."""
    subset: str = ""
    """Istio's subset of the host."""


@dataclass(frozen=True, slots=True)
class ReplacePrefix:
    """The matched prefix of the path becomes `by`, as with Envoy's `prefix_rewrite`."""

    prefix: str
    by: str


@dataclass(frozen=True, slots=True)
class ReplacePath:
    """The whole path becomes `by`; the query stays."""

    by: str


@dataclass(frozen=True, slots=True)
class ReplaceRegex:
    r"""Each match of an RE2 pattern in the path becomes `by`, where `\1` is the first group."""

    pattern: str
    by: str


PathChange = ReplacePrefix | ReplacePath | ReplaceRegex


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the request to a service."""

    destinations: tuple[Destination, ...]
    path: PathChange | None = None
    authority: str = ""
    """The Host that the service sees; empty where it stays."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a Location. What is empty or None stays as the request has it."""

    status: int = 301
    scheme: str = ""
    authority: str = ""
    port: int | None = None
    path: PathChange | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer directly: a direct response, or a fault that aborts every request."""

    status: int


Action = Forward | Redirect | Answer


@dataclass(frozen=True, slots=True)
class Rule:
    """One route: the first rule of a virtual host whose conditions hold takes the request."""

    place: Place
    conditions: Conditions
    action: Action
    not_understood: tuple[str, ...] = ()
    """What is written at this rule and not judged, though it may change what becomes of a
    request: each a sentence that names file and line."""
    band: int = 0
    """Rules of a lower band come first, whatever the order of their objects is."""
    ordered_as: str = ""
    """The object whose creation orders this rule among those of other objects, where it is not the
    object of `place`: the root of a delegate."""
    hosts: tuple[str, ...] = ()
    """The hosts that the object names for which this rule counts, admitted by a Gateway or not."""

    @property
    def orderer(self) -> str:
        """The object whose creation orders this rule."""
        return self.ordered_as or self.place.resource
