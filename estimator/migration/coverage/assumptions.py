"""What the user says about all requests, where their source does not say it.

An assumption only fills gaps: what a source recorded, it recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from estimator.requests.asked import Asked
from estimator.requests.observations import Observations
from estimator.routing.request import Request


@dataclass(frozen=True, slots=True)
class Assumed:
    """What all requests have."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    authority: str = ""
    scheme: str | None = None

    def completed(self, observations: Observations, asked: Asked) -> Observations:
        """Return the observations with what is assumed; `asked` has the headers that decide."""
        items = tuple(
            replace(item, request=self._completed(item.request, asked))
            for item in observations.items
        )
        return replace(observations, items=items)

    def _completed(self, request: Request, asked: Asked) -> Request:
        request = replace(
            request,
            authority=request.authority or self.authority,
            scheme=request.scheme or self.scheme,
        )
        if not self.headers:
            return request
        known = request.headers or {}
        unknown = asked.headers if request.headers is None else request.unknown_headers
        added = {name: value for name, value in self.headers.items() if name in unknown}
        return replace(
            request, headers={**known, **added}, unknown_headers=unknown - self.headers.keys()
        )
