import pytest

from estimator.errors import InputError
from estimator.routing.fields import MOST_PROBLEMS, Field, Findings, KeyLines, Owner
from mirror.formats.yaml_documents import read_document

TEXT = """\
name: web
hosts:
  - a.example
  - 7
match:
  uri: {exact: /a}
  urii: {}
  port: 80
  gone: null
weight: 101
host: "{{ .Values.host }}"
"""


@pytest.fixture
def spec() -> Field:
    lines = KeyLines()
    value = read_document(TEXT, lines.note)
    owner = Owner("r.yaml", "VirtualService", "shop", "web", lines, Findings())
    return Field(owner, value, 1)


def problems(spec: Field) -> list[str]:
    return [str(problem) for problem in spec.owner.findings.problems]


def test_unknown_key_is_reported_with_what_was_expected(spec: Field) -> None:
    match = spec.entries()["match"].keys("uri", "port", "gone")
    assert list(match) == ["uri", "port"]
    assert problems(spec) == [
        "r.yaml:7: VirtualService shop/web, match.urii: unknown key;"
        " expected one of uri, port, gone"
    ]


def test_places_are_those_of_the_file(spec: Field) -> None:
    exact = spec.entries()["match"].entries()["uri"].entries()["exact"]
    assert str(exact.place) == "r.yaml:6: VirtualService shop/web, match.uri.exact"
    assert exact.text() == "/a"


def test_wrong_values_are_reported_and_read_as_absent(spec: Field) -> None:
    fields = spec.entries()
    assert fields["hosts"].texts() == ("a.example", "")
    assert fields["weight"].percentage() == 0
    assert fields["name"].whole(0, 9) is None
    assert fields["name"].flag() is False
    assert fields["name"].choice("api", "site") == ""
    assert list(fields["name"].items()) == []
    assert fields["name"].entries() == {}
    assert [problem.split(": ", 2)[2] for problem in problems(spec)] == [
        "expected a text, got 7",
        "expected a number from 0 to 100, got 101",
        "expected a whole number from 0 to 9, got 'web'",
        "expected true or false, got 'web'",
        "expected one of api, site, got 'web'",
        "expected a list, got 'web'",
        "expected a mapping, got 'web'",
    ]


def test_template_is_named_as_such(spec: Field) -> None:
    assert spec.entries()["host"].text() == ""
    assert problems(spec) == [
        "r.yaml:11: VirtualService shop/web, host: is a template that is not rendered:"
        " '{{ .Values.host }}'"
    ]


def test_problems_are_bounded(spec: Field) -> None:
    with pytest.raises(InputError, match="more problems follow"):
        for _ in range(MOST_PROBLEMS):
            spec.report("expected nothing")


def test_warning_names_its_place(spec: Field) -> None:
    spec.entries()["match"].warn("may match nothing")
    assert spec.owner.findings.warnings == [
        "r.yaml:5: VirtualService shop/web, match: may match nothing"
    ]
