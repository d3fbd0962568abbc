"""Checks the table of rules about the primary and this host."""

from mirror.preflight.findings import EXIT_CODES
from mirror.preflight.rules import HOST, PRIMARY

RULES = (*PRIMARY, *HOST)


def test_codes_are_unique_and_name_what_they_are_about() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    assert {code.partition(".")[0] for code in codes} == {"primary", "host"}


def test_whatever_costs_something_says_why_and_what_instead() -> None:
    for rule in RULES:
        assert rule.summary and rule.severity in EXIT_CODES
        if rule.severity != "note":
            assert rule.why and rule.instead, rule.code
