from typing import Any

from estimator.report.drift.defaults import Elsewhere, completed


def spec_of(kind: str, **spec: Any) -> Any:
    return completed({"kind": kind, "metadata": {"name": "api"}, "spec": spec})["spec"]


def resources(**parts: Any) -> dict[str, Any]:
    return {"name": "app", "resources": parts}


def test_an_absent_update_strategy_is_the_default() -> None:
    rolling = spec_of("Deployment")["strategy"]["rollingUpdate"]
    assert [value.value for value in rolling.values()] == ["25%", "25%"]
    assert "rollingUpdate" not in spec_of("Deployment", strategy={"type": "Recreate"})["strategy"]


def test_an_absent_request_is_the_limit() -> None:
    containers = [resources(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "500m"})]
    pod = spec_of("Deployment", template={"spec": {"containers": containers}})["template"]["spec"]
    requests = pod["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "500m", "memory": Elsewhere("1Gi", "its limit")}


def test_a_native_sidecar_is_a_container() -> None:
    proxy = {"name": "istio-proxy", "restartPolicy": "Always", **resources(requests={"cpu": "1"})}
    proxy["name"] = "istio-proxy"
    pod = {"containers": [resources()], "initContainers": [{"name": "migrate"}, proxy]}
    template = spec_of("Deployment", template={"spec": pod})["template"]
    assert [item["name"] for item in template["spec"]["containers"]] == ["app", "istio-proxy"]
    annotation = template["metadata"]["annotations"]["sidecar.istio.io/proxyCPU"]
    assert annotation == Elsewhere("1", "the container istio-proxy")


def test_an_annotation_stays_what_it_is() -> None:
    proxy = {"name": "istio-proxy", "resources": {"requests": {"cpu": "1"}}}
    name = "sidecar.istio.io/proxyCPU"
    template = {"metadata": {"annotations": {name: "2"}}, "spec": {"containers": [proxy]}}
    assert spec_of("Deployment", template=template)["template"]["metadata"]["annotations"] == {
        name: "2"
    }


def test_an_autoscaler_without_behaviour_has_that_of_kubernetes() -> None:
    spec = spec_of("HorizontalPodAutoscaler", maxReplicas=5)
    assert spec["minReplicas"].value == 1
    up = spec["behavior"]["scaleUp"]
    assert [(rule["type"], rule["value"].value) for rule in up["policies"]] == [
        ("Percent", 100),
        ("Pods", 4),
    ]
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"].value == 300
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"].value == 80


def test_given_policies_replace_the_default_ones() -> None:
    policies = [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    behaviour = {"scaleUp": {"policies": policies}}
    spec = spec_of("HorizontalPodAutoscaler", behavior=behaviour)
    assert spec["behavior"]["scaleUp"]["policies"] == policies


def test_version_one_and_beta_say_the_same() -> None:
    first = spec_of("HorizontalPodAutoscaler", targetCPUUtilizationPercentage=55)
    old = {"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 55}}
    beta = spec_of("HorizontalPodAutoscaler", metrics=[old])
    for spec in (first, beta):
        assert spec["metrics"][0]["resource"]["target"]["averageUtilization"].value == 55


def test_the_object_itself_is_not_changed() -> None:
    tree: dict[str, Any] = {"kind": "Deployment", "spec": {"strategy": None}}
    completed(tree)
    assert tree == {"kind": "Deployment", "spec": {"strategy": None}}


def test_odd_shapes_stay_what_they_are() -> None:
    for spec in ([], "x", {"template": []}, {"template": {"spec": {"containers": [1, {}]}}}):
        assert completed({"kind": "Deployment", "spec": spec})["kind"] == "Deployment"
