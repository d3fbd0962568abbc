"""The result of a comparison as a document, as JSON and as CSV."""

import csv
import io
import json
from dataclasses import asdict

from estimator.report.blocks import Banner, Cell, Column, Document, Grid, Level, Listing, Section
from estimator.report.drift.comparison import Drift, Drifts


def drift_document(result: Drifts, directory: str) -> Document:
    """Return the comparison as a document, for a terminal or Markdown: a table for each object."""
    count = len(result.drifts)
    banner = (
        Banner(Level.BAD, f"DRIFT: {count} difference{'' if count == 1 else 's'} in {directory}")
        if result
        else Banner(Level.OK, f"No drift: {result.compared} fields in {directory} are as projected")
    )
    by_object: dict[tuple[str, str], list[Drift]] = {}
    for drift in result.drifts:
        by_object.setdefault((drift.resource, drift.file), []).append(drift)
    columns = tuple(Column(title) for title in ("field", "has", "wants", "why"))
    sections = []
    for number, ((resource, file), drifts) in enumerate(by_object.items(), 1):
        rows = tuple(
            (Cell(drift.field or "the object"), Cell(drift.has), Cell(drift.wants), Cell(drift.why))
            for drift in drifts
        )
        grid = Grid(f"in {file}", columns, rows)
        sections.append(Section(f"object-{number}", resource, (grid,)))
    for key, title, what, items in (
        (
            "other",
            "Not compared",
            "What belongs to a component and is not compared",
            result.not_compared,
        ),
        (
            "unknown",
            "Unknown",
            "Objects of no component in the table, not compared",
            result.unknown,
        ),
    ):
        if items:
            sections.append(Section(key, title, (Listing(what, items, Level.WARN),)))
    foot = "The exit code is 5 if anything differs."
    return Document("Drift of manifests", (banner,), tuple(sections), foot)


def drift_json(result: Drifts) -> str:
    """Return the comparison as JSON text (docs/formats.md, "Drift"); it ends in a newline."""
    data = {
        "format": "kagami-drift",
        "version": 1,
        "compared": result.compared,
        "drifts": [asdict(drift) for drift in result.drifts],
        "unknown": list(result.unknown),
        "not_compared": list(result.not_compared),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def drift_csv(result: Drifts) -> str:
    """Return the differences, one per line, with a header."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(Drift.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(drift) for drift in result.drifts)
    return stream.getvalue()
