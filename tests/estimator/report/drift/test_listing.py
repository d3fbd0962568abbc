import csv
import io
import json
from dataclasses import replace
from pathlib import Path

from estimator.model.projection import Projection
from estimator.report.blocks import Grid, Level
from estimator.report.drift.comparison import Drifts, compare
from estimator.report.drift.listing import drift_csv, drift_document, drift_json
from tests.estimator.report.drift.test_comparison import edit


def test_document_says_what_to_change(applicable: Projection, existing: Path) -> None:
    clean = drift_document(compare(applicable, existing), "k8s")
    assert clean.sections == ()
    edit(existing / "api-hpa.yaml", "spec", "maxReplicas", to=5)
    document = drift_document(compare(applicable, existing), "k8s")
    (banner,) = document.head
    assert getattr(banner, "level", None) is Level.BAD
    (section,) = document.sections
    assert section.title == "HorizontalPodAutoscaler/api"
    (grid,) = section.blocks
    assert isinstance(grid, Grid)
    assert [cell.text for cell in grid.rows[0]] == ["spec.maxReplicas", "5", "12", "most: because"]


def test_json_and_csv_hold_every_difference(applicable: Projection, existing: Path) -> None:
    first = applicable.components[0]
    assert first.hpa is not None
    hpa = replace(first.hpa, min_replicas=replace(first.hpa.min_replicas, value=4))
    changed = replace(applicable, components=(replace(first, hpa=hpa),))
    found = compare(changed, existing)
    data = json.loads(drift_json(found))
    assert (data["format"], data["version"]) == ("kagami-drift", 1)
    assert data["drifts"][0]["field"] == "spec.minReplicas"
    assert len(data["unknown"]) == 4
    (row,) = csv.DictReader(io.StringIO(drift_csv(found)))
    assert (row["has"], row["wants"]) == ("3", "4")


def test_what_is_not_compared_has_its_section() -> None:
    document = drift_document(Drifts((), 3, ("Deployment/blog in x",), ("Rollout/api",)), "k8s")
    assert [section.title for section in document.sections] == ["Not compared", "Unknown"]
