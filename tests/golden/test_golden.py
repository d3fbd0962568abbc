"""Compares the reports of docs/example with the golden files, and docs/estimate.md with both."""

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.istio.networking.v1alpha3 import EnvoyFilter
from playwright.sync_api import sync_playwright

from mirror.demo.processes import find_program
from tests.golden import switch_plan
from tests.golden.make import GOLDEN, GUIDE, commands, make_outputs, with_quotes

pytestmark = pytest.mark.one_python

HOW = "if the change is meant: .venv/bin/python -m tests.golden.make, and read the diff"
NAMES = sorted(
    str(path.relative_to(GOLDEN))
    for path in GOLDEN.rglob("*")
    # Another process may be writing compiled modules just now.
    if "__pycache__" not in path.parts
    and path.is_file()
    and path.suffix != ".py"
    and path.name != "README.md"
)


CHROMIUM = find_program("chromium")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which the guide's commands ran, with the files they wrote."""
    return tmp_path_factory.mktemp("example")


@pytest.fixture(scope="module")
def outputs(directory: Path) -> dict[str, str]:
    return make_outputs(directory)


def test_every_report_has_its_golden_file(outputs: dict[str, str]) -> None:
    assert sorted(outputs) == NAMES, HOW


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_as_it_was(outputs: dict[str, str], name: str) -> None:
    assert outputs[name] == (GOLDEN / name).read_text(), HOW


def test_the_summary_fits_a_terminal_of_80_columns(outputs: dict[str, str]) -> None:
    lines = outputs["report.txt"].splitlines()
    # The terminal breaks a sentence that is longer. The lines of the table are whole.
    assert sum(max(1, -(-len(line) // 80)) for line in lines) <= 40
    begin, end = (lines.index(line) for line in lines if line.startswith(("Needed", "all ")))
    table = lines[begin : end + 1]
    assert max(map(len, table)) <= 80 and "cpu of istio-proxy + zone" in "".join(table)


def test_the_guide_quotes_what_comes_out(outputs: dict[str, str]) -> None:
    guide = GUIDE.read_text()
    assert with_quotes(guide, outputs) == guide, HOW
    assert guide.count("<!-- ") >= 5


def test_every_number_in_the_guides_sentences_is_in_its_reports(outputs: dict[str, str]) -> None:
    """Check the numbers in bold, which are results."""
    everything = "\n".join(outputs.values())
    bold = re.findall(r"\*\*([\d][^*]*)\*\*", GUIDE.read_text())
    assert len(bold) >= 2
    for words in bold:
        assert words in everything, words


def test_the_guide_has_commands_for_every_kind_of_answer() -> None:
    options = {word for arguments, _ in commands() for word in arguments}
    assert {"--html", "--manifests", "--against", "--explain", "--format", "--nodes"} <= options
    assert {code for _, code in commands()} == {0, 2, 5}


def test_example_files_are_told_of(outputs: dict[str, str]) -> None:
    for path in Path(GUIDE).parent.joinpath("example").iterdir():
        assert path.name in GUIDE.read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
def test_the_guides_page_answers_in_chromium(outputs: dict[str, str], directory: Path) -> None:
    path = directory / "report.html"
    assert outputs["report.html"] and path.stat().st_size < 1_000_000
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        complaints: list[str] = []
        requested: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(path.as_uri())
        readers = page.locator(".reader")
        assert readers.count() >= 15
        for index in range(readers.count()):
            readers.nth(index).focus()
            assert page.locator(".plot .tip").nth(index).is_visible()
        page.locator(".mark").first.click()
        # docs/example/series.sql defines the highest second of the series.
        assert "1,556 rps at 2026-01-01 20:05:22 UTC" in page.locator(".tip").first.inner_text()
        browser.close()
    assert (complaints, requested) == ([], [path.as_uri()])


# --- the manifests of the example, as somebody applies them ---

KUBERNETES = ("1.29", "1.37")
COMPONENTS = {"istio-ingressgateway", "watch", "api"}


def objects(directory: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a kind that `kubectl apply -f 'k8s/*-*.yaml'` reads, by component."""
    read = {path: yaml.safe_load(path.read_text()) for path in directory.glob("k8s/*-*.yaml")}
    ending = {"EnvoyFilter": "-local-ratelimit"}.get(kind, "")
    return {
        tree["metadata"]["name"].removesuffix(ending): tree
        for tree in read.values()
        if tree["kind"] == kind
    }


def deployment(name: str, containers: list[str]) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"containers": [{"name": container, "image": "i"} for container in containers]}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.mark.usefixtures("outputs")
def test_every_component_has_objects_that_agree(directory: Path) -> None:
    patches = objects(directory, "Deployment")
    scalers = objects(directory, "HorizontalPodAutoscaler")
    budgets = objects(directory, "PodDisruptionBudget")
    limits = objects(directory, "EnvoyFilter")
    assert set(patches) == set(scalers) == set(budgets) == set(limits) == COMPONENTS
    for name in COMPONENTS:
        scaler, budget = scalers[name]["spec"], budgets[name]["spec"]
        assert scaler["scaleTargetRef"] == {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": name,
        }
        assert "replicas" not in patches[name]["spec"]
        assert budget["maxUnavailable"] < scaler["minReplicas"] <= scaler["maxReplicas"]
        assert budget["selector"]["matchLabels"] == {"app": name}
        assert limits[name]["spec"]["workloadSelector"]["labels"] == {"app": name}
        # What the model does not know would be dropped on the way through it.
        taken = EnvoyFilter.model_validate(limits[name])
        assert taken.model_dump(by_alias=True, exclude_none=True, mode="json") == limits[name]


@pytest.mark.usefixtures("outputs")
def test_the_component_patches_the_deployments_of_a_kustomization(directory: Path) -> None:
    kubectl = find_program("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl here, which builds a kustomization")
    patches = objects(directory, "Deployment")
    named = {
        name: [item["name"] for item in tree["spec"]["template"]["spec"]["containers"]]
        for name, tree in patches.items()
    }
    base = [deployment(name, containers) for name, containers in named.items()]
    (directory / "deployments.yaml").write_text(yaml.safe_dump_all(base))
    # As in the guide.
    (found,) = re.findall(r"```yaml\n( *resources: .*?)```", GUIDE.read_text(), re.S)
    (directory / "kustomization.yaml").write_text(found)
    built = subprocess.run(
        [kubectl, "kustomize", directory], capture_output=True, text=True, timeout=60
    )
    assert built.returncode == 0, built.stderr
    trees = list(yaml.safe_load_all(built.stdout))
    assert len(trees) == 4 * len(COMPONENTS)
    for tree in trees:
        assert tree["metadata"].pop("namespace") == "NAMESPACE"
        if tree["kind"] == "EnvoyFilter":
            continue
        for version in KUBERNETES:
            kubernetes_validate.validate(tree, version, strict=True)
        if tree["kind"] == "Deployment":
            pod = tree["spec"]["template"]["spec"]
            given = patches[tree["metadata"]["name"]]["spec"]["template"]["spec"]["containers"]
            assert pod["containers"] == [{**item, "image": "i"} for item in given]


def test_the_guide_of_the_switch_quotes_what_comes_out(
    outputs: dict[str, str], directory: Path
) -> None:
    # `outputs` has made the files of the example, which take longer than the plan.
    assert outputs
    made = switch_plan.make_outputs(directory)
    assert switch_plan.quoted(made) == switch_plan.section(), switch_plan.HOW
    assert switch_plan.section().count("<!-- ") == 2
    # The folder has what the table of the guide says.
    assert {name.split("/")[1] for name in made if name.startswith("switch/")} == {
        *("prepare", "step-1", "step-2", "step-3", "release")
    }


def test_the_first_command_of_the_switch_is_part_of_the_last() -> None:
    first, *_, last = switch_plan.commands()
    assert last[: len(first)] == first
