"""Tests estimator.routing.gateway_api.fields."""

import pytest

from estimator.routing.gateway_api.fields import HOSTNAME, NAME
from tests.estimator.routing.gateway_api.conftest import fields, problems_of

OBJECT = """
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  name: a
  port: 8080
  none: null
  rules:
  - name: b
  -
    name: c
"""


def test_values_are_read_with_their_place() -> None:
    one = fields(OBJECT)
    spec = one.mapping("spec")
    assert spec is not None
    assert spec.text("name", NAME) == "a"
    assert spec.number("port", 1, 9000) == 8080
    assert not spec.has("none") and spec.text("none", NAME, "default") == "default"
    first, second = spec.mappings("rules", 2)
    assert str(second.place) == "routes.yaml:11: HTTPRoute shop/web, rules[1]"
    assert first.place.line == 9
    assert not problems_of(one)


def test_every_problem_is_reported_with_line_and_key() -> None:
    one = fields(OBJECT)
    spec = one.mapping("spec")
    assert spec is not None
    spec.only("name", "port", "rules")
    spec.number("port", 1, 80)
    spec.text("port", NAME)
    spec.choice("name", ("x", "y"))
    spec.mapping("name")
    spec.mapping("parent", is_required=True)
    spec.mappings("name", 2)
    spec.mappings("rules", 1)
    list(spec.texts("rules", 2, HOSTNAME))
    assert problems_of(one) == [
        "routes.yaml:7: spec.none: unknown key; expected one of name, port, rules",
        "routes.yaml:6: spec.port: expected a whole number from 1 to 80, got 8080",
        "routes.yaml:6: spec.port: expected a name of 1 to 253 characters, got 8080",
        "routes.yaml:5: spec.name: expected one of x, y, got 'a'",
        "routes.yaml:5: spec.name: expected a mapping, got 'a'",
        "routes.yaml:5: spec.parent: missing; expected a mapping",
        "routes.yaml:5: spec.name: expected a list of at most 2 mappings, got 'a'",
        "routes.yaml:8: spec.rules: expected a list of at most 1 mappings, got 2",
        "routes.yaml:8: spec.rules[0]: expected a lower-case hostname such as www.example.com or"
        " *.example.com, got {'name': 'b'}",
        "routes.yaml:8: spec.rules[1]: expected a lower-case hostname such as www.example.com or"
        " *.example.com, got {'name': 'c'}",
    ]


def test_items_that_are_no_mappings_are_reported() -> None:
    one = fields("kind: HTTPRoute\nspec:\n  rules: [1, {name: b}]\n")
    spec = one.mapping("spec")
    assert spec is not None
    assert [item.path for item in spec.mappings("rules", 2)] == ["spec.rules[1]"]
    assert problems_of(one) == ["routes.yaml:3: spec.rules[0]: expected a mapping, got 1"]


@pytest.mark.parametrize("number", ["true", "1.5", "'80'", "0", "81"])
def test_only_whole_numbers_in_the_range_are_numbers(number: str) -> None:
    one = fields(f"kind: HTTPRoute\nport: {number}\n")
    assert one.number("port", 1, 80) is None
    assert len(problems_of(one)) == 1


def test_a_warning_names_file_line_and_part() -> None:
    one = fields(OBJECT)
    spec = one.mapping("spec")
    assert spec is not None
    spec.warn("port", "means something else")
    spec.mappings("rules", 2)[0].warn("", "is odd")
    assert one.source.warnings == [
        "routes.yaml:6: HTTPRoute shop/web, port: means something else",
        "routes.yaml:9: HTTPRoute shop/web, rules[0]: is odd",
    ]
