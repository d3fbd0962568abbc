from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from estimator.errors import InputError
from estimator.model.projection import Projection
from estimator.report.drift.comparison import Drift, Gate, compare, present_replicas
from estimator.report.drift.listing import drift_document
from estimator.report.manifests import manifests
from estimator.text_files import write_set


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


def without(path: Path, *keys: Any) -> None:
    """Remove a field, which an edit to None does not: YAML would say `null`."""
    tree = yaml.safe_load(path.read_text())
    place = tree
    for key in keys[:-1]:
        place = place[key]
    del place[keys[-1]]
    path.write_text(yaml.safe_dump(tree))


def write(path: Path, kind: str, name: str, **spec: Any) -> None:
    tree = {"kind": kind, "metadata": {"name": name}, "spec": spec}
    path.write_text(yaml.safe_dump(tree))


def test_fields_that_kubernetes_defaults_may_be_absent(
    applicable: Projection, existing: Path
) -> None:
    for name in ("api", "gateway"):
        without(existing / f"{name}-hpa.yaml", "spec", "behavior")
        rolling = ("spec", "strategy", "rollingUpdate")
        without(existing / f"{name}-resources.yaml", *rolling, "maxSurge")
    assert drifts_of(applicable, existing) == ()


def test_a_default_that_differs_is_shown_as_one(applicable: Projection, existing: Path) -> None:
    rolling = ("spec", "strategy", "rollingUpdate")
    without(existing / "api-resources.yaml", *rolling, "maxUnavailable")
    # A quarter of 2 or 3 replicas is none, as is wanted; of 8 it is 2.
    assert drifts_of(applicable, existing) == ()
    pod, gateway = applicable.components
    eight = replace(pod, replicas=replace(pod.replicas, value=8))
    (drift,) = drifts_of(replace(applicable, components=(eight, gateway)), existing)
    assert (drift.has, drift.wants) == ("25% (the default of Kubernetes)", "0%")


def test_a_missing_rate_limit_makes_nothing_too_small(
    applicable: Projection, existing: Path
) -> None:
    (existing / "api-ratelimit.yaml").unlink()
    assert compare(applicable, existing)
    assert not compare(applicable, existing, Gate(only_too_small=True))
    (existing / "api-pdb.yaml").unlink()
    assert len(compare(applicable, existing, Gate(only_too_small=True)).drifts) == 1


def test_a_tolerance_and_too_small_make_a_gate(applicable: Projection, existing: Path) -> None:
    path = existing / "api-resources.yaml"
    requests = ("spec", "template", "spec", "containers", 0, "resources", "requests")
    edit(path, *requests, "cpu", to="365m")
    assert len(drifts_of(applicable, existing)) == 1
    assert not compare(applicable, existing, Gate(tolerance=0.05))
    assert not compare(applicable, existing, Gate(only_too_small=True))
    edit(path, *requests, "cpu", to="330m")
    assert compare(applicable, existing, Gate(tolerance=0.05))
    assert compare(applicable, existing, Gate(only_too_small=True))


def test_replicas_beside_an_autoscaler_are_drift(applicable: Projection, existing: Path) -> None:
    edit(existing / "api-resources.yaml", "spec", "replicas", to=2)
    (drift,) = drifts_of(applicable, existing)
    assert (drift.field, drift.has, drift.wants) == ("spec.replicas", "2", "nothing")
    assert compare(applicable, existing, Gate(only_too_small=True))


def test_a_budget_is_compared_by_what_it_allows(applicable: Projection, existing: Path) -> None:
    # 2 replicas, and 3 at the autoscaler's minimum: one may go, two may not.
    path = existing / "api-pdb.yaml"
    without(path, "spec", "maxUnavailable")
    edit(path, "spec", "minAvailable", to="50%")
    assert drifts_of(applicable, existing) == ()
    edit(path, "spec", "minAvailable", to="100%")
    (strict,) = drifts_of(applicable, existing)
    assert (strict.has, strict.too_small) == ("minAvailable 100%", False)
    edit(path, "spec", "minAvailable", to=0)
    (loose,) = drifts_of(applicable, existing)
    assert loose.too_small


def test_an_update_share_is_compared_by_what_it_means(
    applicable: Projection, existing: Path
) -> None:
    path = existing / "api-resources.yaml"
    edit(path, "spec", "strategy", "rollingUpdate", "maxSurge", to=1)
    assert drifts_of(applicable, existing) == ()
    edit(path, "spec", "strategy", "rollingUpdate", "maxSurge", to=2)
    assert len(drifts_of(applicable, existing)) == 1


def test_an_autoscaler_of_version_one_is_read(applicable: Projection, existing: Path) -> None:
    path = existing / "api-hpa.yaml"
    target = {"kind": "Deployment", "name": "api"}
    scale = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 12}
    write(path, "HorizontalPodAutoscaler", "api", **scale, targetCPUUtilizationPercentage=55)
    assert drifts_of(applicable, existing) == ()
    write(path, "HorizontalPodAutoscaler", "api", **scale, targetCPUUtilizationPercentage=70)
    (drift,) = drifts_of(applicable, existing)
    assert drift.has == "70 (targetCPUUtilizationPercentage)"


def test_keda_is_named_and_no_missing_autoscaler(applicable: Projection, existing: Path) -> None:
    write(existing / "api-hpa.yaml", "ScaledObject", "api-so", scaleTargetRef={"name": "api"})
    found = compare(applicable, existing)
    assert found.drifts == ()
    (note,) = found.not_compared
    assert note.startswith("ScaledObject/api-so in ") and "KEDA scales this component" in note


def test_other_metrics_are_named_and_not_compared(applicable: Projection, existing: Path) -> None:
    path = existing / "api-hpa.yaml"
    source = {"name": "cpu", "container": "app", "target": {"averageUtilization": 70}}
    metric = {"type": "ContainerResource", "containerResource": source}
    edit(path, "spec", "metrics", to=[metric])
    found = compare(applicable, existing)
    assert found.drifts == ()
    assert found.not_compared[0].endswith("its metric ContainerResource app cpu")
    memory = {"type": "Resource", "resource": {"name": "memory"}}
    edit(path, "spec", "metrics", to=[memory])
    (drift,) = drifts_of(applicable, existing)
    assert drift.has == "nothing"


def test_a_container_metric_is_compared_where_it_is_the_projected_one(
    applicable: Projection, existing: Path
) -> None:
    first, gateway = applicable.components
    assert first.hpa is not None
    by_app = replace(first, hpa=replace(first.hpa, container="app"))
    projection = replace(applicable, components=(by_app, gateway))
    # The one of the whole Pod, which the directory has, is none of the container.
    (drift,) = drifts_of(projection, existing)
    assert (drift.has, drift.wants) == ("nothing", "55")
    assert drift.field.startswith("spec.metrics[ContainerResource app cpu].containerResource.")
    path = existing / "api-hpa.yaml"
    source = {"name": "cpu", "container": "app", "target": {"averageUtilization": 55}}
    metric = {"type": "ContainerResource", "containerResource": source}
    edit(path, "spec", "metrics", to=[metric])
    assert drifts_of(projection, existing) == ()
    assert compare(projection, existing).not_compared == ()
    source["target"] = {"averageUtilization": 70}
    edit(path, "spec", "metrics", to=[metric])
    (drift,) = drifts_of(projection, existing)
    assert (drift.has, drift.wants, drift.too_small) == ("70", "55", True)


def test_a_rollout_is_compared_but_for_its_strategy(applicable: Projection, existing: Path) -> None:
    path = existing / "api-resources.yaml"
    edit(path, "kind", to="Rollout")
    edit(path, "spec", "strategy", to={"canary": {}})
    found = compare(applicable, existing)
    assert found.drifts == ()
    assert found.not_compared[0].endswith("the update strategy of a Rollout")
    requests = ("spec", "template", "spec", "containers", 0, "resources", "requests")
    edit(path, *requests, "cpu", to="1m")
    assert len(drifts_of(applicable, existing)) == 1


def test_a_native_sidecar_is_found(applicable: Projection, existing: Path) -> None:
    path = existing / "gateway-resources.yaml"
    pod = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]
    (proxy,) = [item for item in pod["containers"] if item["name"] == "istio-proxy"]
    others = [item for item in pod["containers"] if item["name"] != "istio-proxy"]
    edit(path, "spec", "template", "spec", "containers", to=others)
    native = {**proxy, "restartPolicy": "Always"}
    edit(path, "spec", "template", "spec", "initContainers", to=[native])
    assert drifts_of(applicable, existing) == ()


def test_an_autoscaler_that_is_not_recommended_is_drift(
    applicable: Projection, existing: Path
) -> None:
    pod, gateway = applicable.components
    fixed = replace(applicable, components=(replace(pod, hpa=None), gateway))
    fields = {drift.resource: drift.field for drift in drifts_of(fixed, existing)}
    assert fields["HorizontalPodAutoscaler/api"] == ""


def test_todays_replicas_are_those_of_the_manifests(applicable: Projection, existing: Path) -> None:
    (existing / "gateway-hpa.yaml").unlink()
    edit(existing / "gateway-resources.yaml", "spec", "replicas", to=4)
    assert present_replicas(applicable, existing) == {"api": "3 to 12", "gateway": "4"}


def test_a_spread_over_zones_is_found_behind_one_over_hosts(
    applicable: Projection, tmp_path: Path
) -> None:
    pod, _ = applicable.components
    assert pod.rollout is not None
    zoned = replace(pod, rollout=replace(pod.rollout, zones=3))
    projection = replace(applicable, components=(zoned,))
    write_set(tmp_path / "k8s", manifests(projection))
    path = tmp_path / "k8s" / "api-resources.yaml"
    keys = ("spec", "template", "spec", "topologySpreadConstraints")
    zones = yaml.safe_load(path.read_text())["spec"]["template"]["spec"][keys[-1]]
    hosts = {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    edit(path, *keys, to=[hosts, *zones])
    assert drifts_of(projection, tmp_path / "k8s") == ()
