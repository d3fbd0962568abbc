"""What a capture says that production received: the one source that knows headers.

A capture does not hold everything of a request. What redaction has hidden is unknown, and so are
fields of the connection. A capture that `mirror import` made of an access log has no other headers
than User-Agent and Referer: where a record has no others, what is missing is unknown too.

One thing cannot be seen: without a key, redaction removes a value that has the form of a secret
(a token, a card number) together with its name, whatever the name is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.requests.asked import Asked
from estimator.requests.observations import Observations
from estimator.requests.summary import summarised
from estimator.requests.sums import Extra, Sums
from mirror.formats.access_log.tally import LOW_CONFIDENCE_RATIO, SHOWN_LINES
from mirror.formats.bounded_files import BoundedFileError
from mirror.formats.capture.reader import read_headers, read_records
from mirror.formats.capture.record import (
    WRITTEN_ANEW,
    CaptureError,
    Header,
    Record,
    Summary,
)
from mirror.formats.capture.redacted import has_redacted_segment, is_hashed, may_be_missing

_OF_A_LOG = frozenset({"user-agent", "referer"})
_MOST_EXTRAS = 1 << 16


def observe_capture(path: Path, asked: Asked) -> Observations:
    """Return the requests of a capture: a file, or a directory of segments.

    Parts that are damaged are left out, counted and a doubt. Raises InputError for a file that is
    no capture, Refused for one without a request.
    """
    sums, summary = Sums(asked.parameters), Summary()
    losses: list[str] = []
    redacted = 0
    try:
        known = _Known(asked, _Redaction.of(read_headers(path)))
        for record in read_records(path, losses.append, summary):
            key = (record.host, record.method, record.target, known.extra(record))
            found = sums.sum_of(key)
            found.add(record.time_s, None)
            if has_redacted_segment(record.target.partition("?")[0]):
                found.is_sample = True
                redacted += 1
    except (CaptureError, BoundedFileError) as error:
        place, _, rule = str(error).partition(": ")
        raise InputError([Problem(place, rule)]) from error
    source = f"capture {path}"
    if not sums.count:
        advice = "Capture some traffic, or give an access log"
        raise Refused([Refusal(source, "; ".join(["holds no request", *losses[:1]]), advice)])
    notes, doubts = _said_of_losses(summary, losses, sums.count)
    if redacted:
        notes.append(
            f"{redacted:,} requests have a path of which a segment was redacted: `redacted` stands"
            " in its place, and a rule that asks for more of it is judged by that"
        )
    return summarised(sums, source, _left_out(summary, losses), notes, doubts)


@dataclass(frozen=True, slots=True)
class _Redaction:
    """Which names may be missing in the records of a capture, in lower case."""

    headers: frozenset[str]
    parameters: frozenset[str]
    has_hashes: bool
    """Nothing is missing: hashes stand for the values of all parts of the capture."""
    is_imported: bool
    """Some part was imported."""

    @classmethod
    def of(cls, headers: Sequence[Header]) -> "_Redaction":
        return cls(
            frozenset(name.lower() for header in headers for name in header.redacted_headers),
            frozenset(name.lower() for header in headers for name in header.redacted_query_keys),
            all(header.has_hashes for header in headers),
            any(not header.instance for header in headers),
        )

    def may_hide_header(self, name: str) -> bool:
        return not self.has_hashes and (name in self.headers or may_be_missing(name))

    def may_hide_parameter(self, name: str) -> bool:
        return not self.has_hashes and (name.lower() in self.parameters or may_be_missing(name))


@dataclass(slots=True)
class _Known:
    """What is known of each record, beside authority, method and target."""

    asked: Asked
    redaction: _Redaction
    _extras: dict[Extra, Extra] = field(default_factory=dict)

    def extra(self, record: Record) -> Extra:
        """Return what the rules ask for; equal ones are one object."""
        headers, unknown = self._headers(record) if self.asked.headers else ((), frozenset[str]())
        extra = Extra(headers, unknown, self._unknown_parameters(record.target))
        if len(self._extras) >= _MOST_EXTRAS:
            self._extras.clear()
        return self._extras.setdefault(extra, extra)

    def _headers(self, record: Record) -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
        values: dict[str, str] = {}
        names = set()
        repeated = set()
        for name, value in record.headers:
            name = name.lower()
            names.add(name)
            if name in self.asked.headers:
                # Envoy up to 1.38 compares the joined values of a header that comes several times,
                # and each value from 1.39 on (`match_headers_individually`). So it is not judged.
                if name in values:
                    repeated.add(name)
                values[name] = f"{values[name]},{value}" if name in values else value
        is_of_a_log = self.redaction.is_imported and names <= _OF_A_LOG
        unknown = frozenset(
            name
            for name in self.asked.headers
            if name in repeated
            or (name in values and _is_hidden(values[name]))
            or (name not in values and (is_of_a_log or self._may_have_come(name)))
        )
        return tuple(sorted(values.items())), unknown

    def _may_have_come(self, name: str) -> bool:
        """Return whether a header that is missing in the capture may have been in the request."""
        is_left_out = name in WRITTEN_ANEW or name.startswith(":")
        return is_left_out or self.redaction.may_hide_header(name)

    def _unknown_parameters(self, target: str) -> frozenset[str]:
        if not self.asked.parameters:
            return frozenset()
        pairs = _parameters(target)
        return frozenset(
            name
            for name in self.asked.parameters
            if (name in pairs and is_hashed(pairs[name]))
            or (name not in pairs and self.redaction.may_hide_parameter(name))
        )


def _is_hidden(value: str) -> bool:
    return any(map(is_hashed, value.split(",")))


def _parameters(target: str) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for pair in target.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        pairs.setdefault(name, value)
    return pairs


def _left_out(summary: Summary, losses: Iterable[str]) -> dict[str, int]:
    """Return what is missing, by reason."""
    left_out = {"requests that sampling left out": summary.not_sampled}
    for reason, number in summary.dropped.items():
        left_out[f"requests that the sidecar dropped ({reason})"] = number
    left_out["places that cannot be read"] = len([*losses])
    return {reason: number for reason, number in left_out.items() if number}


def _said_of_losses(summary: Summary, losses: list[str], count: int) -> tuple[list[str], list[str]]:
    """Return notes and doubts about requests that the capture does not hold."""
    missing = summary.not_sampled + sum(summary.dropped.values())
    notes: list[str] = []
    doubts: list[str] = []
    if missing:
        share = missing / (missing + count)
        sentence = (
            f"the capture lacks {missing:,} of {missing + count:,} requests ({share:.1%}), which"
            " sampling left out or the sidecar dropped: a path that few ask for may not be among"
            " the others"
        )
        (doubts if share > LOW_CONFIDENCE_RATIO else notes).append(sentence)
    if losses:
        doubts.append(
            f"{len(losses):,} places of the capture cannot be read, so their requests are missing;"
            f" the first: {'; '.join(losses[:SHOWN_LINES])}"
        )
    return notes, doubts
