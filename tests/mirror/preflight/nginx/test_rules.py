"""Checks the table of rules about nginx's configuration."""

from mirror.preflight.findings import EXIT_CODES
from mirror.preflight.nginx.rules import NGINX


def test_codes_are_unique_and_every_rule_says_why_and_what_instead() -> None:
    codes = [rule.code for rule in NGINX]
    assert len(set(codes)) == len(codes)
    for rule in NGINX:
        assert rule.code.startswith("nginx.") and rule.severity in EXIT_CODES
        assert rule.summary and rule.why and rule.instead
