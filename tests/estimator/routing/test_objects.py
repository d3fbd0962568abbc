import os
from pathlib import Path

import pytest

from estimator.routing import objects as module
from estimator.routing.fields import Findings
from estimator.routing.objects import KubernetesObject, read_objects

VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
  namespace: shop
  creationTimestamp: 2026-01-02T03:04:05Z
  annotations: {a: b}
spec:
  hosts: [a.example]
"""
LIST = """\
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: web}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRouteList
items:
- metadata: {name: route, namespace: shop}
"""


def read(directory: Path, **files: str) -> tuple[list[KubernetesObject], list[str]]:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    findings = Findings()
    found = read_objects([directory], findings)
    return found, [str(problem) for problem in findings.problems]


def test_object_has_its_identity_and_its_lines(tmp_path: Path) -> None:
    (web,), problems = read(tmp_path, a="# A comment.\n" + VIRTUAL_SERVICE)
    assert (web.group, web.version, web.kind) == ("networking.istio.io", "v1", "VirtualService")
    assert (web.key, web.created, web.annotations) == (
        ("shop", "web"),
        "2026-01-02T03:04:05Z",
        {"a": "b"},
    )
    assert str(web.spec.entries()["hosts"].place) == (
        f"{tmp_path}/a.yaml:10: VirtualService shop/web, hosts"
    )
    assert problems == []


def test_documents_and_lists_are_unpacked(tmp_path: Path) -> None:
    found, problems = read(tmp_path, a=LIST)
    assert [(each.kind, each.version, each.key) for each in found] == [
        ("Service", "v1", ("default", "web")),
        ("HTTPRoute", "v1", ("shop", "route")),
    ]
    assert problems == []


def test_every_file_says_its_problems(tmp_path: Path) -> None:
    _, problems = read(
        tmp_path,
        a="kind: [",
        b="# {{ comment }}\nkind: X\n{{- if .Values.on }}\n",
        c="kind: [1]\n",
        d="kind: Service\n",
        e="kind: Service\napiVersion: v1\nmetadata: {name: 7}\n",
        f="kind: Service\nkind: Pod\napiVersion: v1\nmetadata: {name: a}\n",
    )
    said = [problem.removeprefix(f"{tmp_path}/") for problem in problems]
    assert said[0].startswith("a.yaml: is not YAML: line")
    assert said[1:] == [
        "b.yaml:3: is a template that is not rendered; expected the output of `helm template`",
        "c.yaml:1: expected an object with kind, got {'kind': [1]}",
        "d.yaml:1: Service: expected apiVersion, got None",
        "e.yaml:1: Service: expected metadata with name and namespace as texts, got {'name': 7}",
        "f.yaml:2: kind: expected once in a mapping, first given in line 1",
    ]


def test_directory_is_scanned_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.json").write_text(
        '{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "b"}}'
    )
    (tmp_path / "notes.txt").write_text("no YAML: [")
    os.symlink("/etc/passwd", tmp_path / "c.yaml")
    found, problems = read(tmp_path)
    assert [each.name for each in found] == ["b"]
    assert problems == [f"{tmp_path}/c.yaml: is a symbolic link, which is not followed here"]


def test_directory_without_files_is_a_problem(tmp_path: Path) -> None:
    assert read(tmp_path) == ([], [f"{tmp_path}: holds no file that ends with .yaml, .yml, .json"])


def test_missing_file_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    assert read_objects([tmp_path / "no.yaml"], findings) == []
    assert [str(problem) for problem in findings.problems] == [f"{tmp_path}/no.yaml: no such file"]


def test_files_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 1)
    _, problems = read(tmp_path, a=VIRTUAL_SERVICE, b=VIRTUAL_SERVICE)
    assert problems == [f"{tmp_path}: has more than 1 files, which is the limit"]


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", len(VIRTUAL_SERVICE) + 5)
    found, problems = read(tmp_path, a=VIRTUAL_SERVICE, b=VIRTUAL_SERVICE)
    assert len(found) == 1
    assert problems == [f"{tmp_path}/b.yaml: has more than 5 bytes, which is the limit"]


def test_what_is_no_object_is_left_out_of_a_directory_only(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("# Of the chart.\nreplicas: 3\n")
    (tmp_path / "web.yaml").write_text(VIRTUAL_SERVICE)
    findings = Findings()
    found = read_objects([tmp_path], findings)
    assert [each.name for each in found] == ["web"]
    assert findings.problems == []
    assert findings.warnings == [
        f"{tmp_path}/values.yaml:2: is no Kubernetes object, and is left out"
    ]
    read_objects([tmp_path / "values.yaml"], findings)
    (problem,) = findings.problems
    assert "expected an object with kind, got {'replicas': 3}" in str(problem)


@pytest.mark.parametrize(
    "head", ["", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"]
)
def test_kustomization_is_read_unless_it_changes_objects(tmp_path: Path, head: str) -> None:
    file = tmp_path / "kustomization.yaml"
    file.write_text(f"{head}resources: [web.yaml]\nimages: [{{name: web, newTag: v2}}]\n")
    findings = Findings()
    assert read_objects([tmp_path], findings) == []
    assert (findings.problems, findings.warnings) == ([], [])
    file.write_text(f"{head}resources: [web.yaml]\nnamespace: shop\npatches: [{{path: p.yaml}}]\n")
    read_objects([tmp_path], findings)
    assert [str(problem) for problem in findings.problems] == [
        f"{file}:1: changes objects by namespace, patches; expected the output of `kustomize build`"
    ]


def test_object_may_lack_a_name(tmp_path: Path) -> None:
    found, problems = read(
        tmp_path,
        a="kind: Job\napiVersion: batch/v1\nmetadata: {generateName: load-}\n",
        b="kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n",
    )
    assert [(each.kind, each.name) for each in found] == [("Job", ""), ("Cluster", "")]
    assert problems == []
