import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from estimator.errors import InputError
from estimator.model.projection import Projection
from estimator.report.blocks import Grid, Level
from estimator.report.drift import Drift, compare, drift_csv, drift_document, drift_json
from estimator.report.manifests import manifests
from estimator.text_files import write_set


@pytest.fixture
def existing(applicable: Projection, tmp_path: Path) -> Path:
    """Return a folder with the manifests that --manifests writes."""
    directory = tmp_path / "k8s"
    write_set(directory, manifests(applicable))
    return directory


def edit(path: Path, *keys: Any, to: Any) -> None:
    tree = yaml.safe_load(path.read_text())
    place = tree
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    path.write_text(yaml.safe_dump(tree))


def drifts_of(projection: Projection, directory: Path) -> tuple[Drift, ...]:
    return compare(projection, directory).drifts


def test_what_was_written_has_not_drifted(applicable: Projection, existing: Path) -> None:
    found = compare(applicable, existing)
    assert not found
    assert found.compared > 40
    assert found.unknown == ()


def test_a_changed_number_is_told_with_its_reason(applicable: Projection, existing: Path) -> None:
    edit(existing / "api-hpa.yaml", "spec", "maxReplicas", to=5)
    (drift,) = drifts_of(applicable, existing)
    assert drift == Drift(
        "HorizontalPodAutoscaler/api",
        "spec.maxReplicas",
        "5",
        "12",
        "most: because",
        str(existing / "api-hpa.yaml"),
    )


def test_every_reasoned_number_is_compared(applicable: Projection, existing: Path) -> None:
    """Changes each scalar in turn; a drift must be found if it has a reason, and only then."""
    noticed = 0
    for path in sorted(existing.glob("*.yaml")):
        if path.name == "kustomization.yaml":
            continue
        text = path.read_text().splitlines()
        for number, line in enumerate(text):
            is_reasoned = number > 0 and text[number - 1].lstrip().startswith("#")
            if is_reasoned and ": " in line and not line.lstrip().startswith(("#", "apiVersion")):
                broken = [
                    *text[:number],
                    line.partition(": ")[0] + ': "77777"',
                    *text[number + 1 :],
                ]
                path.write_text("\n".join(broken))
                assert len(drifts_of(applicable, existing)) == 1, line
                noticed += 1
        path.write_text("\n".join(text))
    omitted = sum(text.count(": omitted") for text in manifests(applicable).values())
    assert noticed + omitted == compare(applicable, existing).compared


def test_amounts_are_compared_by_value(applicable: Projection, existing: Path) -> None:
    path = existing / "gateway-resources.yaml"
    limits = ("spec", "template", "spec", "containers", 0, "resources", "limits")
    edit(path, *limits, "cpu", to="2000m")
    edit(path, *limits, "memory", to=268435456)
    bucket = ("configPatches", 0, "patch", "value", "typed_config", "value", "token_bucket")
    edit(existing / "api-ratelimit.yaml", "spec", *bucket, "fill_interval", to="0.100s")
    assert drifts_of(applicable, existing) == ()


def test_a_limit_that_should_not_be_there_is_drift(applicable: Projection, existing: Path) -> None:
    limits = ("spec", "template", "spec", "containers", 0, "resources", "limits")
    edit(existing / "api-resources.yaml", *limits, "cpu", to="1")
    (drift,) = drifts_of(applicable, existing)
    assert (drift.has, drift.wants) == ("1", "nothing")
    assert drift.field == "spec.template.spec.containers[app].resources.limits.cpu"


def test_a_missing_object_is_drift(applicable: Projection, existing: Path) -> None:
    (existing / "gateway-pdb.yaml").unlink()
    (drift,) = drifts_of(applicable, existing)
    assert (drift.resource, drift.has) == ("PodDisruptionBudget/gateway", "missing")
    assert "gateway-pdb.yaml" in drift.why


def test_a_container_nobody_measured_is_drift(applicable: Projection, existing: Path) -> None:
    path = existing / "api-resources.yaml"
    containers = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]["containers"]
    more = [*containers, {"name": "log-shipper"}]
    edit(path, "spec", "template", "spec", "containers", to=more)
    (drift,) = drifts_of(applicable, existing)
    assert drift.field.endswith("containers[log-shipper]")
    assert "HPA counts" in drift.why


def test_an_autoscaler_is_found_by_its_target(applicable: Projection, existing: Path) -> None:
    edit(existing / "api-hpa.yaml", "metadata", "name", to="api-autoscaler")
    assert drifts_of(applicable, existing) == ()


def test_objects_of_other_apps_are_named_and_not_compared(
    applicable: Projection, existing: Path
) -> None:
    other = {"kind": "Deployment", "metadata": {"name": "blog"}, "spec": {"replicas": 1}}
    config = {"kind": "ConfigMap", "metadata": {"name": "x"}}
    listed = {"kind": "List", "items": [other, config]}
    (existing / "deep").mkdir()
    (existing / "deep" / "other.yml").write_text(yaml.safe_dump_all([listed, None, ["x"]]))
    found = compare(applicable, existing)
    assert found.drifts == ()
    assert found.unknown == (f"Deployment/blog in {existing / 'deep' / 'other.yml'}",)
    (section,) = drift_document(found, "k8s").sections
    assert section.title == "Unknown"


def test_every_file_that_is_no_yaml_is_named(applicable: Projection, existing: Path) -> None:
    (existing / "a.yaml").write_text("kind: {{ .Values.kind }}\n")
    (existing / "b.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError) as refused:
        compare(applicable, existing)
    problems = str(refused.value).splitlines()
    assert len(problems) == 2
    assert "a.yaml: is not valid YAML: line 1: a list or a mapping is no key" in problems[0]
    assert "expected rendered manifests" in problems[0]


def test_odd_shapes_are_drift_and_no_crash(applicable: Projection, existing: Path) -> None:
    edit(existing / "api-resources.yaml", "spec", to=["x"])
    edit(existing / "api-hpa.yaml", "spec", "metrics", to="none")
    assert len(drifts_of(applicable, existing)) > 5


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
