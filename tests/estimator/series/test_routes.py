import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.errors import InputError
from estimator.series.routes import RouteTable
from mirror.formats.routes import RouteTable as Recorder
from mirror.formats.routes import TemplateError

TEMPLATES = ["/watch/{id}", "/watch/live", "/api/*", "/api/{x}/a", "/api/b/*", "/", "/{any}/a"]


@pytest.mark.parametrize(
    ("path", "tag"),
    [
        ("/watch/7", "/watch/_id_"),
        ("/watch/live", "/watch/live"),
        ("/watch/", "other"),
        ("/watch/7/8", "other"),
        ("/api/", "/api/_"),
        ("/api", "other"),
        ("/api/c/a", "/api/_x_/a"),
        ("/api/b/a", "/api/b/_"),
        ("/api/c/b", "/api/_"),
        ("/", "/"),
        ("/x/a", "/_any_/a"),
        ("*", "other"),
        ("http://h/watch/7", "other"),
        ("/api/\n/\n", "/api/_"),
    ],
)
def test_a_path_fits_its_best_template(path: str, tag: str) -> None:
    routes = RouteTable(TEMPLATES)
    assert routes.tags[routes.match(path)] == tag


def test_without_templates_all_is_other() -> None:
    routes = RouteTable([])
    assert (routes.tags, routes.match("/x")) == (("other",), 0)


def test_every_bad_template_is_named() -> None:
    with pytest.raises(InputError) as caught:
        RouteTable(["x", "/a/*/b", "/{id}", "/{ID}", "/{other}"], "--routes FILE")
    assert [str(problem) for problem in caught.value.problems] == [
        "--routes FILE: expected a path such as /watch/{id} or /api/*, got 'x'",
        "--routes FILE: expected a path such as /watch/{id} or /api/*, got '/a/*/b'",
        "--routes FILE: expected other paths than those before, got '/{ID}'",
        "--routes FILE: expected other paths than those before, got '/{other}'",
    ]


_segments = st.sampled_from(["a", "b", "", "{x}", "*", "a.b"])
_templates = st.lists(st.lists(_segments, min_size=1, max_size=4), max_size=6)
_paths = st.lists(st.sampled_from(["a", "b", "", "aXb", "c", "a.b"]), min_size=1, max_size=5)


@given(_templates, _paths)
def test_a_log_is_counted_as_the_recorder_counts(
    templates: list[list[str]], path: list[str]
) -> None:
    # The contract of docs/formats.md, held against the other side of it.
    spelt = ["/" + "/".join(template) for template in templates]
    try:
        recorder = Recorder(spelt)
    except TemplateError:
        with pytest.raises(InputError):
            RouteTable(spelt)
        return
    target = "/" + "/".join(path)
    routes = RouteTable(spelt)
    assert routes.tags[routes.match(target)] == recorder.match(target.encode())
