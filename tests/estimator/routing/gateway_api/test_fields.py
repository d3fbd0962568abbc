"""Tests estimator.routing.gateway_api.fields."""

import pytest

from estimator.routing.gateway_api.fields import HOSTNAME, NAME, Pattern, spec_of
from tests.estimator.routing.gateway_api.conftest import part, problems_of, read_one, warnings_of

SPEC = """
name: a
port: 8080
none: null
rules:
- name: b
-
  name: c
"""


def test_values_are_read_with_their_place() -> None:
    spec = part(SPEC)
    assert spec.text("name", NAME) == "a"
    assert spec.number("port", 1, 9000) == 8080
    assert not spec.has("none") and spec.text("none", NAME, "default") == "default"
    assert spec.names() == ["name", "port", "rules"]
    first, second = spec.mappings("rules", 2)
    assert str(second.place) == "routes.yaml:12: HTTPRoute default/web, rules[1]"
    assert first.place.line == 10
    assert not problems_of(spec)


def test_every_problem_is_reported_with_line_and_key() -> None:
    spec = part(SPEC)
    spec.only("name", "rules")
    spec.number("port", 1, 80)
    spec.text("port", NAME)
    spec.choice("name", ("x", "y"))
    spec.mapping("name")
    spec.mapping("parent", is_required=True)
    spec.mappings("rules", 1)
    list(spec.texts("rules", 2, HOSTNAME))
    assert problems_of(spec) == [
        "routes.yaml:7: HTTPRoute default/web, port: unknown key; expected one of name, rules",
        "routes.yaml:7: HTTPRoute default/web, port: expected a whole number from 1 to 80,"
        " got 8080",
        "routes.yaml:7: HTTPRoute default/web, port: expected a name of 1 to 253 characters,"
        " got 8080",
        "routes.yaml:6: HTTPRoute default/web, name: expected one of x, y, got 'a'",
        "routes.yaml:6: HTTPRoute default/web, name: expected a mapping, got 'a'",
        "routes.yaml:4: HTTPRoute default/web, parent: missing; expected a mapping",
        "routes.yaml:9: HTTPRoute default/web, rules: expected a list of at most 1 mappings, got 2",
        "routes.yaml:10: HTTPRoute default/web, rules[0]: expected a lower-case hostname such as"
        " www.example.com or *.example.com, got {'name': 'b'}",
        "routes.yaml:12: HTTPRoute default/web, rules[1]: expected a lower-case hostname such as"
        " www.example.com or *.example.com, got {'name': 'c'}",
    ]


def test_items_that_are_no_mappings_are_reported() -> None:
    spec = part("rules: [1, {name: b}]\n")
    assert [item.place.part for item in spec.mappings("rules", 2)] == ["rules[1]"]
    assert problems_of(spec) == [
        "routes.yaml:5: HTTPRoute default/web, rules[0]: expected a mapping, got 1"
    ]


def test_a_text_has_its_form_and_its_length() -> None:
    spec = part("host: A.com\nlong: aaaa\n")
    assert spec.text("host", HOSTNAME, "default") == "default"
    assert spec.text("long", Pattern(NAME.expression, "a short name", 3)) is None
    assert spec.text("long", Pattern(NAME.expression, "a short name", 4)) == "aaaa"
    assert len(problems_of(spec)) == 2


def test_a_template_is_named_once() -> None:
    spec = part("host: '{{ .Values.host }}'\n")
    assert spec.text("host", HOSTNAME) is None
    (problem,) = problems_of(spec)
    assert "is a template that is not rendered" in problem


@pytest.mark.parametrize("text", ["", "[]"])
def test_a_spec_is_a_mapping(text: str) -> None:
    one = read_one(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\n"
        f"spec: {text}\n"
    )
    assert spec_of(one).names() == []
    assert len(problems_of(one)) == 1


def test_a_warning_names_file_line_and_part() -> None:
    spec = part(SPEC)
    spec.warn("port", "means something else")
    spec.mappings("rules", 2)[0].warn("", "is odd")
    assert warnings_of(spec) == [
        "routes.yaml:7: HTTPRoute default/web, port: means something else",
        "routes.yaml:10: HTTPRoute default/web, rules[0]: is odd",
    ]
