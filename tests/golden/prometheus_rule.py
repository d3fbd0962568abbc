"""Makes deploy/prometheus/prometheus-rule.yaml: the alerts as an object of the Prometheus operator.

`python -m tests.golden.prometheus_rule` writes it again after a change of rules.yaml.
"""

from pathlib import Path
from textwrap import indent

FOLDER = Path(__file__).parents[2] / "deploy/prometheus"
MADE = FOLDER / "prometheus-rule.yaml"
_HEAD = """\
# rules.yaml for the Prometheus operator: .venv/bin/python -m tests.golden.prometheus_rule
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mirror
  # Where the operator selects by a label, let a kustomization of yours add it.
spec:
"""


def text() -> str:
    """Return the object, with the groups of rules.yaml and without its first comment."""
    rules = (FOLDER / "rules.yaml").read_text()
    return _HEAD + indent(rules[rules.index("groups:") :], "  ")


if __name__ == "__main__":
    MADE.write_text(text())
