"""HTTPMatchRequest of a VirtualService: read, merged with that of a delegate, compiled.

The semantics are those of pilot/pkg/networking/core/route/route.go (TranslateRouteMatch and
sourceMatchHTTP); the fields are those of networking/v1alpha3/virtual_service.proto.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from estimator.routing import patterns
from estimator.routing.conditions import SET_BY_GATEWAY, Conditions, Kind, Named, Text
from estimator.routing.fields import Field
from estimator.routing.istio.names import MESH, gateway_key
from estimator.routing.patterns import PatternError
from estimator.routing.rules import Place

MOST_PORT = 65_535
_MOST_REGEX = 1024
"""Most characters of a regex, as Istio's validation has it."""
_PRESENT = "*"
"""No regex of RE2: Istio takes it for "any value", except in a path."""
_CLAIMS = "@request.auth.claims"
_KEYS = (
    "name",
    "uri",
    "scheme",
    "method",
    "authority",
    "headers",
    "port",
    "sourceLabels",
    "gateways",
    "queryParams",
    "ignoreUriCase",
    "withoutHeaders",
    "sourceNamespace",
    "statPrefix",
)
_ALL = Text(Kind.PREFIX, "/")
_PRESENT_TEXT = Text(Kind.PRESENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One match of a route; what is None or empty asks nothing."""

    place: Place
    uri: Text | None = None
    scheme: Text | None = None
    method: Text | None = None
    authority: Text | None = None
    headers: Mapping[str, Text] = field(default_factory=dict)
    """By lower-case name."""
    without_headers: Mapping[str, Text] = field(default_factory=dict)
    query: Mapping[str, Text] = field(default_factory=dict)
    ignores_case: bool = False
    port: int = 0
    gateways: tuple[tuple[str, str], ...] = ()
    """Namespace and name of each."""
    source_labels: Mapping[str, str] = field(default_factory=dict)
    source_namespace: str = ""

    def conditions(self) -> Conditions:
        """Return what this match asks of a request that arrives at its gateway and port."""
        judged = {name: text for name, text in self.headers.items() if not self._doubt(name)}
        without = {
            name: text for name, text in self.without_headers.items() if not self._doubt(name)
        }
        path = self.uri or _ALL
        if path.kind is Kind.PRESENT:
            path = _ALL
        if self.ignores_case and path.kind is not Kind.REGEX:
            path = Text(path.kind, path.value, ignores_case=True)
        return Conditions(
            path=path,
            method=self.method,
            authority=self.authority,
            scheme=self.scheme,
            headers=(
                *(Named(name, text) for name, text in sorted(judged.items())),
                *(
                    Named(name, text, is_negated=True, missing_is_empty=True)
                    for name, text in sorted(without.items())
                ),
            ),
            query=tuple(Named(name, text) for name, text in sorted(self.query.items())),
            unjudged=tuple(
                f"{self.place}: {doubt}"
                for name in sorted({*self.headers, *self.without_headers})
                if (doubt := self._doubt(name))
            ),
        )

    def _doubt(self, header: str) -> str:
        """Return why a condition on a header is not judged; empty where it is."""
        if header.startswith(_CLAIMS):
            return f"the claim of a token is not judged: {header}"
        if header.startswith(":") or header == "host":
            return f"a condition on {header} as a header is not judged"
        if header.startswith(SET_BY_GATEWAY):
            return f"the header {header} is not judged, because the gateway may change it"
        return ""


def read_match(entry: Field) -> Match:
    """Return one match; report every problem of it."""
    fields = entry.keys(*_KEYS)
    ignores_case = "ignoreUriCase" in fields and fields["ignoreUriCase"].flag()
    port = fields["port"].whole(0, MOST_PORT) if "port" in fields else 0
    labels = fields["sourceLabels"].entries() if "sourceLabels" in fields else {}
    source_namespace = fields["sourceNamespace"].text() if "sourceNamespace" in fields else ""
    return Match(
        place=entry.place,
        uri=_text(fields.get("uri"), is_path=True),
        scheme=_text(fields.get("scheme")),
        method=_text(fields.get("method")),
        authority=_text(fields.get("authority")),
        headers=_texts(fields.get("headers"), lowers=True),
        without_headers=_texts(fields.get("withoutHeaders"), lowers=True),
        query=_texts(fields.get("queryParams"), lowers=False),
        ignores_case=ignores_case,
        port=port or 0,
        gateways=read_gateway_keys(fields["gateways"]) if "gateways" in fields else (),
        source_labels={name: label.text() for name, label in labels.items()},
        source_namespace=source_namespace,
    )


def read_gateway_keys(entry: Field) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of each Gateway of a list; `mesh` is in no namespace."""
    namespace = entry.owner.namespace
    return tuple(
        ("", MESH) if name == MESH else gateway_key(name, namespace) for name in entry.texts()
    )


def _texts(entry: Field | None, lowers: bool) -> dict[str, Text]:
    if entry is None:
        return {}
    texts = {}
    _report_nulls(entry, "expected exact, prefix or regex, or {} for any value")
    for name, value in entry.entries().items():
        if not name and lowers:
            value.report("expected the name of a header, got an empty one")
        texts[name.lower() if lowers else name] = _text(value) or _PRESENT_TEXT
    return texts


def _report_nulls(entry: Field, expected: str) -> None:
    """Report keys without a value: dropped, the match would take more than is written."""
    if isinstance(entry.value, dict):
        for name in [name for name, value in entry.value.items() if value is None]:
            entry.report(f"{name}: {expected}, got null")


def _text(entry: Field | None, is_path: bool = False) -> Text | None:
    """Return a StringMatch. One without a type asks that there is a value."""
    if entry is None:
        return None
    _report_nulls(entry, "expected a text")
    fields = entry.keys("exact", "prefix", "regex")
    if len(fields) > 1:
        entry.report(f"expected one of exact, prefix and regex, got {', '.join(fields)}")
    for key, value in fields.items():
        text = value.text()
        if key == "regex" and text == _PRESENT and not is_path:
            return _PRESENT_TEXT
        if key == "regex":
            check_regex(value, text)
        return Text(Kind(key), text)
    return _PRESENT_TEXT


def check_regex(entry: Field, pattern: str) -> None:
    """Report a regex that Istio or RE2 refuses."""
    if not pattern:
        entry.report("expected a regex that is not empty")
        return
    if len(pattern) > _MOST_REGEX:
        rule = f"expected a regex of at most {_MOST_REGEX} characters, got {len(pattern)}"
        entry.report(rule)
        return
    try:
        patterns.check(pattern)
    except PatternError as error:
        entry.report(f"expected a regex that RE2 accepts, which Envoy uses: {error}")
