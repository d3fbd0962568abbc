from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner

from estimator.commands.policy_options import (
    POLICY_OPTIONS,
    SECTIONS,
    policy_options,
    policy_options_but,
    read_policy,
)
from estimator.errors import InputError
from estimator.model.policy import OPTIONS, Policy

NOTHING: dict[str, Any] = {one.field: () if one.is_repeatable else None for one in POLICY_OPTIONS}
WORDS = {
    "target_utilisation": ("70%", 0.7),
    "min_replicas": ("3", 3),
    "slo_p99_ms": ("250ms", 250),
    "error_ratio_limit": ("0.1%", 0.001),
    "workers": ("2", 2),
    "peak_connections": ("20000", 20_000),
    "confidence": ("95%", 0.95),
    "extrapolation_limit": ("1.2x", 1.2),
    "assumed_margin": ("30%", 0.3),
    "growth_per_month": ("3%/month", 0.03),
    "horizon_months": ("6", 6),
    "event_factor": ("2.5x", 2.5),
    "return_days": ("365d", 365),
    "peak_window_s": ("15s", 15),
    "averaging_s": ("60s", 60),
    "dispersion": ("1.7", 1.7),
    "reserve": ("lean", "lean"),
    "imbalance": ("1.4x", 1.4),
    "lose_pods": ("0", 0),
    "zones": ("3", 3),
    "max_surge_ratio": ("50%", 0.5),
    "max_unavailable_ratio": ("10%", 0.1),
    "pod_start_s": ("90s", 90),
    "scrape_interval_s": ("30s", 30),
    "hpa_min": ("4", 4),
    "hpa_max": ("40", 40),
    "hpa_metric": ("container", "container"),
    "phase": ("2", 2),
    "paths": (("/watch/{id},/api/*", "/api/*"), ("/watch/_id_", "/api/_")),
    "downstream_rps": (("watch=1200", "api=5"), (("watch", 1200), ("api", 5))),
}


def test_every_field_of_the_policy_has_one_option() -> None:
    assert sorted(option.field for option in POLICY_OPTIONS) == sorted(OPTIONS)
    assert len({option.flag for option in POLICY_OPTIONS}) == len(POLICY_OPTIONS)
    assert set(SECTIONS) == OPTIONS == set(WORDS)


def test_nothing_given_is_the_policys_own_default() -> None:
    policy = read_policy(NOTHING)
    assert policy == Policy(defaulted=OPTIONS)
    assert all(policy.is_default(name) for name in OPTIONS)


@pytest.mark.parametrize("field", sorted(WORDS))
def test_what_was_given_arrives_and_is_no_default(field: str) -> None:
    words, value = WORDS[field]
    policy = read_policy({**NOTHING, field: words})
    assert getattr(policy, field) == value
    assert not policy.is_default(field)
    assert policy.defaulted == OPTIONS - {field}


def test_every_wrong_option_is_named_at_once() -> None:
    options = {**NOTHING, "growth_per_month": "lots", "zones": "0", "downstream_rps": ("x",)}
    with pytest.raises(InputError) as refused:
        read_policy(options)
    assert [problem.source for problem in refused.value.problems] == [
        *("--growth", "--zones", "--downstream")
    ]


def test_reserve_sets_what_nobody_gave() -> None:
    lean = read_policy({**NOTHING, "reserve": "lean", "lose_pods": "3"})
    assert (lean.target_utilisation, lean.lose_pods, lean.confidence) == (0.75, 3, 0.8)
    assert lean.is_default("target_utilisation") and not lean.is_default("lose_pods")
    assert lean.reason("target_utilisation").startswith("lean: 0.75 x 1.1")
    careful = read_policy({**NOTHING, "reserve": "careful"})
    assert (careful.imbalance, careful.lose_pods) == (1.4, 2)
    usual = read_policy({**NOTHING, "reserve": "usual"})
    assert usual.target_utilisation == Policy().target_utilisation
    assert usual.reason("imbalance").startswith("pods differ by at least 1.1")
    with pytest.raises(InputError, match="--reserve: expected one of lean, usual, careful, got"):
        read_policy({**NOTHING, "reserve": "brave"})


def test_contradictions_are_refused() -> None:
    for options, message in (
        ({"hpa_min": "9", "hpa_max": "8"}, "--hpa-min: expected at most --hpa-max 8, got 9"),
        ({"max_surge_ratio": "0"}, "--max-surge: expected more than 0 where --max-unavailable is"),
    ):
        with pytest.raises(InputError, match=message):
            read_policy({**NOTHING, **options})
    read_policy({**NOTHING, "max_surge_ratio": "0", "max_unavailable_ratio": "10%"})


def test_help_has_every_option_with_sentence_example_and_default() -> None:
    @click.command()
    @policy_options
    def command(**options: Any) -> None:
        assert options == NOTHING

    words = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    documents = {field.name: field.metadata for field in fields(Policy)}
    for option in POLICY_OPTIONS:
        assert f"{option.flag} {option.metavar} " in words
        assert documents[option.field]["help"].rstrip(".") in words
        assert option.example in words
    assert "such as 3%/month. [default: 0]" in words
    assert "[default: 1m]" in words and "[default: 1.5x]" in words
    assert "[default: no quota was given]" in words
    assert CliRunner().invoke(command, []).exit_code == 0


def test_options_that_a_command_leaves_out_have_their_defaults() -> None:
    @click.command()
    @policy_options_but("horizon_months", "return_days")
    def command(**options: Any) -> None:
        policy = read_policy(options)
        click.echo(f"{policy.zones} {policy.horizon_months} {policy.is_default('return_days')}")

    assert CliRunner().invoke(command, ["--zones", "3"]).output == "3 12.0 True\n"
    refused = CliRunner().invoke(command, ["--horizon", "3"])
    assert refused.exit_code == 2 and "No such option" in refused.output
