"""The sections of what was not compared: copies without a pair, and production's access log.

Computes no number beyond shares.
"""

from collections.abc import Iterable, Sequence

from mirror.comparison.report.blocks import Cell, Column, Entry, Section, Table
from mirror.comparison.report.judgement import Judgement, percent
from mirror.comparison.report.parts import Part, Sum, instant
from mirror.comparison.report.words import LOG_LOSSES, reason_words_of
from mirror.core.comparison.verdict import EXTRA_COPY
from mirror.formats.comparison import Log

_NO_COPY = "No copy has ended."
_ALL_COPIES = "Every copy that ended made a pair."


def uncompared_section(judgement: Judgement, compared: Sum) -> Section:
    counts = judgement.all.pairs.uncompared
    due = judgement.all.pairs.number + judgement.all.pairs.missing
    entries = tuple(
        Entry(
            reason,
            f"{number:,} {'copy' if number == 1 else 'copies'}"
            + ("" if reason == EXTRA_COPY else f", {percent(number / due)}"),
            reason_words_of(reason),
        )
        for reason, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if number
    )
    waiting = sum(part.waiting for part in compared.parts)
    not_kept = compared.examples_not_kept
    notes = (
        () if entries else (_NO_COPY if due == 0 else _ALL_COPIES,),
        (f"{waiting:,} copies waited for their other side.",) if waiting else (),
        (f"{not_kept:,} differences beyond the examples that a sidecar keeps have no path here.",)
        if not_kept
        else (),
        *(
            (
                f"{part.source}: a series.db holds no paths, so its differences have no examples,"
                " and not whether Envoy's own answers can be told.",
            )
            for part in compared.parts
            if not part.instance
        ),
        ("Requests without a copy (`ratio`, `methods`, shed) are in no pair: see /status.",),
    )
    return Section("uncompared", "What was not compared", tuple(sum(notes, ())), entries=entries)


def log_sections(parts: Sequence[Part]) -> Iterable[Section]:
    named = [(f"{part.instance}: {part.log.source}", part.log) for part in parts if part.log]
    if not named:
        return
    losses = {reason for _, log in named for reason, number in log.lost.items() if number}
    notes = [f"{reason}: {LOG_LOSSES[reason]}." for reason in sorted(losses & LOG_LOSSES.keys())]
    for name, log in named:
        if log.repeated:
            notes.append(
                f"{name}: {log.repeated:,} lines are of requests that had a line before. Whoever"
                " reads this log counts them twice: see `mirror audit`."
            )
        if log.offset_s is not None:
            notes.append(
                f"{name}: its clock and the sidecar's are {abs(log.offset_s):.3g} s apart, or its"
                " lines are late. Pairs are joined by the id, so none is lost by that."
            )
    columns = (
        Column("log"),
        *(Column(title, True) for title in ("lines", "matched", "without a copy")),
        *(Column("lost"), Column("newest line")),
    )
    rows = tuple(_log_row(name, log) for name, log in named)
    yield Section("log", "Production's access log", tuple(notes), Table(columns, rows))


def _log_row(name: str, log: Log) -> tuple[Cell, ...]:
    lost = ", ".join(f"{reason} {number:,}" for reason, number in log.lost.items() if number)
    return (
        Cell(name),
        *(Cell(f"{number:,}") for number in (log.lines, log.matched, log.without_copy)),
        Cell(lost or "none", "warn" if lost else "ok"),
        Cell("never" if log.newest_s is None else f"{instant(log.newest_s)} UTC"),
    )
