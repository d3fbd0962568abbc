from dataclasses import fields

from estimator.model.policy import OPTIONS, REASONS, Policy


def test_every_option_says_its_unit_help_and_reason() -> None:
    options = [option for option in fields(Policy) if option.name in OPTIONS]
    for option in options:
        assert option.metadata["unit"] and option.metadata["help"].endswith("."), option.name
        assert REASONS[option.name]


def test_nothing_set_is_all_default() -> None:
    assert all(Policy().is_default(name) for name in OPTIONS)


def test_what_was_set_is_no_default() -> None:
    policy = Policy(target_utilisation=0.5)
    assert not policy.is_default("target_utilisation")
    assert policy.is_default("min_replicas")


def test_setting_the_default_value_is_setting_it() -> None:
    policy = Policy(min_replicas=2, defaulted=OPTIONS - {"min_replicas"})
    assert not policy.is_default("min_replicas")
