"""The report as an answer, tables and sentences; text.py and html.py only lay it out.

Every table is bounded, and says what it leaves out. The answer stands first, then what it rests on.
Computes no number beyond sums and shares of what judgement.py judged.
"""

from collections.abc import Iterable, Sequence

from mirror.comparison.report.blocks import TONES, Cell, Column, Content, Entry, Section, Table
from mirror.comparison.report.judgement import Judged, Judgement, milliseconds, percent
from mirror.comparison.report.parts import Pairs, Sum, instant
from mirror.comparison.report.safety import MOST_NAMED, Level
from mirror.comparison.report.uncompared import log_sections, uncompared_section
from mirror.comparison.report.words import words_of
from mirror.formats.comparison import Example, is_new_error
from mirror.formats.foreign_text import readable
from mirror.noise import Difference

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "none")
"""The rows and columns of the matrix, in their order; `none` is no answer."""
MOST_DIFFERENCES = 100
"""Most results that are explained, new errors and then the largest first; this version knows 17."""
MOST_STRANGE = 10
"""Most classes of a matrix that this version does not know: it has a cell for each two of them."""
SERVED = ("2xx", "3xx")
NOT_FOUND = ("route_miss", "app_not_found")
MOST_REASONS = 20
"""Most sentences why a switch is not safe; the table of routes has all of them."""
MOST_CHARACTERS = 160
"""Longest path of an example that is shown whole."""


def content_of(compared: Sum, judgement: Judgement, most_rows: int) -> Content:
    """Return the whole report, with at most so many routes or paths in a table."""
    total = judgement.all.pairs
    differing = sorted(
        (result for result, count in total.results.items() if count and result != "same"),
        key=lambda result: (not is_new_error(result), -total.results[result], result),
    )
    missed = [example for example in compared.examples if example.result in NOT_FOUND]
    others = [example for example in compared.examples if example.result not in NOT_FOUND]
    sections = [
        *([_matrix(judgement, most_rows)] if judgement.routes else []),
        Section(
            "differences",
            "What differs, and what to do",
            _notes_on(differing, total),
            entries=tuple(
                _difference(result, judgement) for result in differing[:MOST_DIFFERENCES]
            ),
        ),
        *([_latency(compared, judgement, most_rows)] if judgement.routes else []),
        *_examples("missing", "New 404s by path", missed[:most_rows], len(missed)),
        *_examples("examples", "Other differences by path", others[:most_rows], len(others)),
        uncompared_section(judgement, compared),
        *log_sections(compared.parts),
    ]
    return Content(
        judgement.level,
        _answer(judgement),
        _few(judgement.reasons),
        judgement.doubts,
        tuple(_facts(compared, judgement)),
        tuple(sections),
    )


def _notes_on(differing: Sequence[str], total: Pairs) -> tuple[str, ...]:
    if not differing:
        return ("Nothing differs." if total.number else "No pair was compared.",)
    if len(differing) <= MOST_DIFFERENCES:
        return ()
    return (f"{len(differing) - MOST_DIFFERENCES:,} further results are not shown.",)


def _few(reasons: tuple[str, ...]) -> tuple[str, ...]:
    rest = len(reasons) - MOST_REASONS
    if rest <= 0:
        return reasons
    return (*reasons[:MOST_REASONS], f"{rest:,} more reasons are in the table of routes")


def _answer(judgement: Judgement) -> str:
    every = judgement.all
    parts = [
        f"{percent(every.new_errors.share)} new errors in {every.pairs.number:,} pairs"
        if every.pairs.number
        else "no pairs"
    ]
    if every.p99 is not None:
        parts.append(
            f"p99 {milliseconds(every.p99.before.value)} in production,"
            f" {milliseconds(every.p99.after.value)} at the shadow"
        )
    return f"{judgement.level.value}: {'; '.join(parts)}"


def _facts(compared: Sum, judgement: Judgement) -> Iterable[tuple[str, str]]:
    every, errors = judgement.all, judgement.all.new_errors
    for part in compared.parts:
        who = f"{part.instance}, mode {part.mode}" if part.instance else "series.db"
        yield (
            "source",
            f"{part.source} ({who}): {instant(part.first_s)} to {instant(part.last_s)} UTC",
        )
    if errors.pairs:
        yield (
            "new errors",
            f"{errors.number:,} of {errors.pairs:,} pairs, {percent(errors.share)}; with 95 %"
            f" confidence at most {percent(errors.most)}; allowed {percent(errors.allowed)}",
        )
    if every.p99 is not None:
        yield "p99", f"{_times(every.p99)} times production's; allowed {every.slower:g} times"


# --- the matrix ---


def _matrix(judgement: Judgement, most_rows: int) -> Section:
    shown = judgement.routes[:most_rows]
    present = {side for key in judgement.all.pairs.classes for side in key.split(">", 1)}
    names = [name for name in CLASSES if name in present]
    strange = sorted(present - set(CLASSES))
    names += strange[:MOST_STRANGE]
    notes = ["Rows are production's answers, columns are the shadow's; `none` is no answer."]
    if len(strange) > MOST_STRANGE:
        notes.append(f"{len(strange) - MOST_STRANGE:,} further classes are not shown.")
    parts = (judgement.all, *shown) if len(judgement.routes) > 1 else shown
    rows = tuple(row for judged in parts for row in _matrix_rows(judged, names))
    return Section(
        "matrix",
        "Status classes by route",
        tuple(notes),
        Table(
            (
                *(Column("route"), Column("production")),
                *(Column(f"shadow {name}", True) for name in names),
            ),
            rows,
            _left_out(len(judgement.routes) - len(shown), "routes"),
        ),
    )


def _matrix_rows(judged: Judged, names: Sequence[str]) -> Iterable[tuple[Cell, ...]]:
    counts = judged.pairs.classes
    for primary in names:
        numbers = [counts[f"{primary}>{shadow}"] for shadow in names]
        if any(numbers):
            cells = (
                Cell(f"{number:,}" if number else "", _tone(primary, shadow) if number else "")
                for number, shadow in zip(numbers, names, strict=True)
            )
            yield (Cell(judged.name), Cell(primary), *cells)


def _tone(primary: str, shadow: str) -> str:
    if primary == shadow:
        return "ok"
    return "bad" if shadow not in SERVED else "warn"


# --- differences ---


def _difference(result: str, judgement: Judgement) -> Entry:
    total = judgement.all.pairs
    count = total.results[result]
    routes = sorted(
        (route for route in judgement.routes if route.pairs.results[result]),
        key=lambda route: (-route.pairs.results[result], route.name),
    )
    where = ", ".join(
        f"{route.name} {route.pairs.results[result]:,}" for route in routes[:MOST_NAMED]
    )
    rest = len(routes) - MOST_NAMED
    kind = ", new errors" if is_new_error(result) else ""
    return Entry(
        result,
        f"{count:,} {'pair' if count == 1 else 'pairs'}, {percent(count / total.number)}{kind}",
        words_of(result),
        where + (f", and {rest} more routes" if rest > 0 else ""),
        "bad" if kind else "warn" if result == "size" else "",
    )


# --- latency ---


def _latency(compared: Sum, judgement: Judgement, most_rows: int) -> Section:
    shown = judgement.routes[:most_rows]
    parts = (judgement.all, *shown) if len(judgement.routes) > 1 else shown
    rows = [_latency_row(judged) for judged in parts]
    columns = (
        Column("route"),
        *(
            Column(title, True)
            for title in (
                *("pairs", "new errors", "at most", "p50 production", "p50 shadow", "ratio"),
                *("p99 production", "p99 shadow", "ratio"),
            )
        ),
    )
    return Section(
        "latency",
        "New errors and latency by route",
        (
            "Latency is that of the pairs that both sides answered. `at most` is the upper bound of"
            " the share of new errors, with 95 % confidence. A ratio in brackets may be noise.",
            *(
                f"{part.source}: the latencies of its newest {part.pairs_without_latency:,} pairs"
                " are missing here. A sidecar writes those of a minute when the minute is over."
                for part in compared.parts
                if part.pairs_without_latency
            ),
        ),
        Table(columns, tuple(rows), _left_out(len(judgement.routes) - len(shown), "routes")),
    )


def _latency_row(judged: Judged) -> tuple[Cell, ...]:
    errors, latency = judged.new_errors, judged.level_of_p99
    return (
        Cell(judged.name),
        Cell(f"{judged.pairs.number:,}"),
        Cell(f"{errors.number:,}", "bad" if errors.level is Level.UNSAFE else ""),
        Cell(percent(errors.most), TONES[errors.level]),
        *_latency_cells(judged.p50, ""),
        *_latency_cells(judged.p99, "" if latency is Level.SAFE else TONES[latency]),
    )


def _latency_cells(difference: Difference | None, tone: str) -> tuple[Cell, Cell, Cell]:
    if difference is None:
        return Cell(""), Cell(""), Cell("")
    return (
        Cell(milliseconds(difference.before.value)),
        Cell(milliseconds(difference.after.value)),
        Cell(_times(difference), tone),
    )


def _times(difference: Difference) -> str:
    """Return how many times as long the shadow takes; in brackets where it may be noise."""
    if difference.before.value == 0:
        return "-"
    text = f"{difference.ratio:.2f}"
    return text if difference.is_beyond_noise else f"({text})"


# --- examples ---


def _examples(key: str, title: str, shown: Sequence[Example], number: int) -> Iterable[Section]:
    if not shown:
        return
    columns = (
        Column("request"),
        Column("requests", True),
        *map(Column, ("production", "shadow", "reason", "last", "request id")),
    )
    yield Section(
        key,
        title,
        ("Secrets, values of queries and segments that look random are not kept.",),
        Table(columns, tuple(map(_example_row, shown)), _left_out(number - len(shown), "paths")),
    )


def _example_row(example: Example) -> tuple[Cell, ...]:
    query = f"?{'&'.join(example.names)}" if example.names else ""
    uri = f"{example.host}{readable(example.path)}{query}"
    if len(uri) > MOST_CHARACTERS:
        uri = f"{uri[:MOST_CHARACTERS]}..."
    shadow = str(example.shadow_status or "none")
    return (
        Cell(f"{example.method} {uri}"),
        Cell(f"{example.count:,}"),
        Cell(str(example.primary_status or "none")),
        Cell(f"{shadow} to {readable(example.location)}" if example.location else shadow),
        Cell(words_of(example.result).title, "bad" if is_new_error(example.result) else ""),
        Cell(f"{instant(example.last_s)} UTC"),
        Cell(example.request_id),
    )


def _left_out(number: int, what: str) -> str:
    return f"{number:,} more {what} are in --format json" if number > 0 else ""
