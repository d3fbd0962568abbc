"""Tests estimator.routing.gateway_api.namespaces."""

import pytest

from estimator.routing.conditions import NO, UNKNOWN, YES, Truth
from estimator.routing.gateway_api.namespaces import (
    NAME_LABEL,
    From,
    Namespaces,
    Operator,
    Requirement,
)


def test_the_default_is_the_own_namespace() -> None:
    assert Namespaces().admit("shop", "shop", {}) is YES
    assert Namespaces().admit("other", "shop", {}) is NO


def test_all_admits_any_namespace() -> None:
    assert Namespaces(From.ALL).admit("other", "shop", {}) is YES


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        (Operator.IN, ("red", "blue"), YES),
        (Operator.IN, ("green",), NO),
        (Operator.NOT_IN, ("green",), YES),
        (Operator.NOT_IN, ("red",), NO),
        (Operator.EXISTS, (), YES),
        (Operator.DOES_NOT_EXIST, (), NO),
    ],
)
def test_a_selector_asks_for_labels(
    operator: Operator, values: tuple[str, ...], expected: Truth
) -> None:
    selector = Namespaces(From.SELECTOR, (Requirement("team", operator, values),))
    assert selector.admit("other", "shop", {"other": {"team": "red"}}) is expected


def test_not_in_holds_without_the_label() -> None:
    selector = Namespaces(From.SELECTOR, (Requirement("team", Operator.NOT_IN, ("red",)),))
    assert selector.admit("other", "shop", {"other": {}}) is YES


def test_labels_of_an_unknown_namespace_are_unknown() -> None:
    selector = Namespaces(From.SELECTOR, (Requirement("team", Operator.EXISTS),))
    assert selector.admit("other", "shop", {}) is UNKNOWN


def test_the_name_label_needs_no_namespace_object() -> None:
    by_name = Requirement(NAME_LABEL, Operator.IN, ("other",))
    selector = Namespaces(From.SELECTOR, (Requirement("team", Operator.EXISTS), by_name))
    assert selector.admit("third", "shop", {}) is NO
    assert Namespaces(From.SELECTOR, (by_name,)).admit("other", "shop", {}) is YES


def test_an_empty_selector_admits_any_namespace() -> None:
    assert Namespaces(From.SELECTOR).admit("other", "shop", {}) is YES
