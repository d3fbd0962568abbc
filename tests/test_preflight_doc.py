"""Checks that docs/preflight.md explains every code as the program does."""

import json
import re
from pathlib import Path
from textwrap import fill

import pytest

from mirror.preflight.findings import EXIT_CODES, Finding, Rule, as_json
from mirror.preflight.nginx.rules import NGINX
from mirror.preflight.rules import HOST, PRIMARY
from mirror.preflight.shadow_rules import SHADOW

TEXT = (Path(__file__).parents[1] / "docs" / "preflight.md").read_text()
RULES = (*SHADOW, *PRIMARY, *HOST, *NGINX)


def explained(rule: Rule) -> str:
    """Return what the document must say about a rule."""
    lines = [f"### {rule.code}", f"*{rule.severity}.* {rule.summary}."]
    lines += [f"**Why:** {rule.why}"] if rule.why else []
    lines += [f"**Instead:** {rule.instead}"] if rule.instead else []
    return "\n\n".join(fill(line, 120, break_on_hyphens=False) for line in lines) + "\n"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_code_is_explained(rule: Rule) -> None:
    assert explained(rule) in TEXT


def test_no_other_code_is_explained_and_the_order_is_the_same() -> None:
    assert re.findall(r"(?m)^### (.+)$", TEXT) == [rule.code for rule in RULES]


def test_the_exit_codes_are_those_of_the_program() -> None:
    stated = re.findall(r"(?m)^\| (note|warning|unknown|refused) \| (\d) \|", TEXT)
    assert {severity: int(code) for severity, code in stated} == EXIT_CODES


def test_the_document_has_the_keys_of_the_program() -> None:
    shown = json.loads(re.findall(r"(?ms)^```json\n(.*?)^```", TEXT)[0])
    finding = Finding("warning", "shadow.route_miss", "x", "what", "why", "instead")
    made = json.loads(as_json([finding]))
    assert list(shown) == list(made)
    assert list(shown["findings"][0]) == list(made["findings"][0])
    assert shown["exit_code"] == made["exit_code"]
