"""Checks that docs/audit.md explains every finding, and nothing else."""

import re
from pathlib import Path

from mirror.audit.rules import RULES

TEXT = (Path(__file__).parents[3] / "docs/audit.md").read_text()


def test_the_document_explains_every_code_with_its_severity() -> None:
    rows = re.findall(r"(?m)^\| `(audit\.\w+)` \| (\w+) \|", TEXT)
    assert sorted(rows) == sorted((rule.code, rule.severity) for rule in RULES.values())


def test_every_rule_says_why() -> None:
    assert all(rule.why and rule.summary for rule in RULES.values())
