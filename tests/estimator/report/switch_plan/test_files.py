from dataclasses import replace

import kubernetes_validate
import pytest
import yaml

from estimator.errors import InputError
from estimator.report.manifests import manifests
from estimator.report.switch_plan.files import plan_files
from tests.estimator.migration.switch_plan.cases import moves, planned

VERSIONS = ("1.29", "1.37")
FILE = "api-720be2c7.virtual-service.yaml"


def test_every_step_has_its_folder_and_its_way_back() -> None:
    folders = plan_files(planned(), moves())
    assert {name: sorted(files) for name, files in folders.items()} == {
        "prepare": [FILE, f"once-for-{FILE}.txt"],
        # Before the first step there is nothing to raise.
        "step-1": [FILE, "commands.sh"],
        **{f"step-{number}": [FILE, "commands.sh", "pin-api.yaml"] for number in (2, 3)},
        **{f"step-{number}/rollback": [FILE, "commands.sh"] for number in (1, 2, 3)},
        "release": ["commands.sh", "release-api.yaml"],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_patched_hpa(version: str) -> None:
    plan = planned()
    hpa = yaml.safe_load(manifests(plan.projection)["api-hpa.yaml"])
    minima = []
    for files in plan_files(plan, moves()).values():
        for name, text in files.items():
            if name.startswith(("pin-", "release-")):
                patch = yaml.safe_load(text)
                patched = {**hpa, "spec": {**hpa["spec"], **patch["spec"]}}
                kubernetes_validate.validate(patched, version, strict=True)
                assert patched["spec"]["minReplicas"] <= patched["spec"]["maxReplicas"]
                minima.append(patched["spec"]["minReplicas"])
    assert minima == [3, 6, 2]


def test_schema_refuses_a_wrong_patch() -> None:
    hpa = yaml.safe_load(manifests(planned().projection)["api-hpa.yaml"])
    hpa["spec"]["minReplicas"] = "3"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(hpa, VERSIONS[1], strict=True)


def test_patch_carries_its_reason_and_command() -> None:
    text = plan_files(planned(), ())["step-2"]["pin-api.yaml"]
    assert "kubectl patch hpa api --type merge --patch-file step-2/pin-api.yaml" in text
    assert "# 25% of the traffic: 3 needed." in text


def test_rollback_has_the_weights_before_the_step() -> None:
    folders = plan_files(planned(), moves())

    def weights(folder: str) -> list[int]:
        route = yaml.safe_load(folders[folder][FILE])["spec"]["http"][0]["route"]
        return [destination["weight"] for destination in route]

    assert weights("prepare") == weights("step-1/rollback") == [100, 0]
    assert weights("step-1") == weights("step-2/rollback") == [99, 1]
    assert weights("step-3") == [0, 100]


def test_commands_are_not_run_as_a_whole() -> None:
    scripts = [
        files["commands.sh"].splitlines()
        for files in plan_files(planned(), moves()).values()
        if "commands.sh" in files
    ]
    assert scripts
    for lines in scripts:
        assert lines[0] == "#!/bin/sh" and "exit 1" in lines[:4]


def test_without_an_hpa_there_is_nothing_to_patch() -> None:
    folders = plan_files(planned(is_flat=True), ())
    assert "prepare" not in folders
    assert sorted(folders["step-1"]) == ["commands.sh"]
    assert "kubectl scale deployment api --replicas=2" in folders["step-1"]["commands.sh"]


def test_name_that_kubernetes_refuses_is_refused() -> None:
    plan = planned()
    wrong = replace(plan.projection.components[0], name="Api_1")
    with pytest.raises(InputError, match="Api_1"):
        plan_files(replace(plan, projection=replace(plan.projection, components=(wrong,))), ())


def test_every_file_with_numbers_says_its_doubts() -> None:
    plan = planned()
    example = replace(plan.projection, is_example_table=True)
    doubted = replace(plan, projection=example, low_confidence=("only\nrm -rf 1d\x1b",))
    texts = [
        text
        for files in plan_files(doubted, moves()).values()
        for name, text in files.items()
        if name == "commands.sh" or name.startswith(("pin-", "release-"))
    ]
    assert texts
    for text in texts:
        assert "# FROM THE EXAMPLE TABLE" in text
        assert "# Low confidence: only rm -rf 1d" in text
        assert "\x1b" not in text
