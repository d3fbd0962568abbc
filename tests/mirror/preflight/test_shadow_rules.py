"""Checks the table of rules about the shadow."""

import inspect
import re

from mirror.core import acceptance
from mirror.preflight import probe
from mirror.preflight.findings import EXIT_CODES
from mirror.preflight.shadow_rules import BY_VERDICT, SHADOW
from mirror.proxy.upstream import admission


def test_codes_are_unique_and_name_the_shadow() -> None:
    codes = [rule.code for rule in SHADOW]
    assert len(set(codes)) == len(codes)
    assert {code.partition(".")[0] for code in codes} == {"shadow"}


def test_whatever_costs_something_says_why_and_what_instead() -> None:
    for rule in SHADOW:
        assert rule.summary and rule.severity in EXIT_CODES
        if rule.severity != "note":
            assert rule.why and rule.instead, rule.code


def test_every_verdict_has_its_rule() -> None:
    sources = "".join(map(inspect.getsource, (acceptance, probe, admission)))
    codes = re.findall(r'(?:unreachable|refused)\(\s*"(\w+)"', sources)
    assert set(codes) == set(BY_VERDICT)
