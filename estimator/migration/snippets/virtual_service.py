"""Istio: the share of a path that the gateway sends to Kubernetes (phase 2 to 3).

The weights are in a delegate VirtualService of the path alone, so that a step is applied whole and
cannot touch another path. The order of entries in two VirtualServices of one host is undefined
(istio.io, Traffic Management Best Practices), so the entry that leads to the delegate belongs into
the VirtualService that the host has already. A delegate has neither hosts nor gateways; the match,
the timeout, the retries and the headers of the entry apply to it, and an entry without its delegate
is ignored (istio/istio, pilot/pkg/model/virtualservice.go, mergeHTTPRoute).
"""

from typing import Any

from estimator.migration.snippets.path import MovedPath, PathKind
from estimator.migration.snippets.step import Attachment, Backend, Snippet, Step
from estimator.report.yaml_text import to_yaml


def virtual_service(step: Step, attachment: Attachment) -> Snippet:
    """Return the delegate VirtualService of the path, and the entry that leads to it."""
    file = f"{step.path.name}.virtual-service.yaml"
    return Snippet(
        file=file,
        text=_delegate(step, attachment),
        rollback=_delegate(step.undone, attachment),
        command=f"kubectl apply -f {file}",
        preparation=_entry(step.path, attachment),
    )


def _delegate(step: Step, attachment: Attachment) -> str:
    tree = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": step.path.name, "namespace": attachment.namespace},
        "spec": {
            "http": [
                {
                    "route": [
                        _destination(step.old, 100 - step.percent),
                        _destination(step.new, step.percent),
                    ]
                }
            ]
        },
    }
    return to_yaml(tree, [f"{step.summary}."])


def _destination(backend: Backend, percent: int) -> dict[str, Any]:
    destination = {"host": backend.host, "port": {"number": backend.port}}
    return {"destination": destination, "weight": percent}


def _entry(path: MovedPath, attachment: Attachment) -> str:
    if path.kind is PathKind.PATTERN:
        condition = {"regex": path.pattern}
    else:
        condition = {path.kind.value: path.text}
    tree = {
        "http": [
            {
                "match": [{"uri": condition}],
                "delegate": {"name": path.name, "namespace": attachment.namespace},
            }
        ]
    }
    head = (
        "Insert this entry into the VirtualService of the host, before the entries that take more"
        f" than {path.template} and after those that take a part of it: the first match wins. Keep"
        " in it what the entry of today has besides its route, such as a timeout or retries."
    )
    return to_yaml(tree, [head])
