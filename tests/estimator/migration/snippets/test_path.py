import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.migration.snippets.path import MovedPath, PathKind
from mirror.formats.routes import OTHER, RouteTable, TemplateError, route_tag

TARGETS = ("/", "/api", "/api/", "/api/x", "/api/x/y", "/apix", "/watch/1", "/watch/1/2", "/watch/")


@pytest.mark.parametrize(
    ("template", "kind", "text", "pattern"),
    [
        ("/", PathKind.EXACT, "/", "/"),
        ("/*", PathKind.PREFIX, "/", "/.*"),
        ("/cart", PathKind.EXACT, "/cart", "/cart"),
        ("/cart/", PathKind.EXACT, "/cart/", "/cart/"),
        ("/api/*", PathKind.PREFIX, "/api/", "/api/.*"),
        ("/watch/{id}", PathKind.PATTERN, "", "/watch/[^/]+"),
        ("/u/{id}/posts/*", PathKind.PATTERN, "", "/u/[^/]+/posts/.*"),
        ("/a.b/$c+(d)", PathKind.EXACT, "/a.b/$c+(d)", "/a[.]b/[$]c[+][(]d[)]"),
    ],
)
def test_template_is_read(template: str, kind: PathKind, text: str, pattern: str) -> None:
    path = MovedPath.of(template)
    assert (path.kind, path.text, path.pattern) == (kind, text, pattern)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("api", "starts with /"),
        ("", "starts with /"),
        ("/a//b", "no empty segment"),
        ("//", "no empty segment"),
        ("/a/../b", "no empty segment"),
        ("/a/./b", "no empty segment"),
        ("/a/*/b", "'*'"),
        ("/a*", "'a*'"),
        ("/%20", "'%20'"),
        ('/a"b', "letters, digits"),
        ("/a\nb", "letters, digits"),
        ("/a\\b", "letters, digits"),
        ("/a b", "letters, digits"),
        ("/a{b", "letters, digits"),
        ("/{}", "letters, digits"),
        ("/a?b", "letters, digits"),
        ("/a#b", "letters, digits"),
        ("/a[b]", "letters, digits"),
        ("/a|b^", "letters, digits"),
        ("/é", "letters, digits"),
        ("/" + "a" * 1_000, "at most 1,000"),
    ],
)
def test_hostile_template_is_refused(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        MovedPath.of(template)


@given(st.lists(st.sampled_from(["a", "b.c", "{id}", "{x}", "$", ""]), max_size=4), st.booleans())
def test_pattern_matches_what_the_route_table_matches(segments: list[str], has_rest: bool) -> None:
    template = "/" + "/".join([*segments, "*"] if has_rest else segments)
    try:
        path, table = MovedPath.of(template), RouteTable([template])
    except (ValueError, TemplateError):
        return
    examples = {template.replace("{id}", "1").replace("{x}", "b.c").replace("*", "r/s"), *TARGETS}
    for target in {*examples, *(f"{example}/" for example in examples)}:
        is_matched = re.fullmatch(path.pattern, target) is not None
        assert is_matched == (table.match(target.encode()) != OTHER), (template, target)


def test_name_is_a_label_of_this_template_alone() -> None:
    names = [
        MovedPath.of(each).name
        for each in ("/api/*", "/api", "/API", "/a.pi", "/", "/*", "/~", "/" + "x." * 200)
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) for name in names)
    assert max(map(len, names)) <= 63 - len("balancer://")


def test_specific_paths_stand_first() -> None:
    templates = ("/*", "/u/*", "/u/{id}/*", "/u/{id}/posts", "/u/me", "/u/posts/*")
    ordered = sorted(map(MovedPath.of, templates), key=lambda path: path.precedence)
    assert [path.template for path in ordered] == [
        *("/u/me", "/u/posts/*", "/u/{id}/posts", "/u/{id}/*", "/u/*", "/*"),
    ]


SEGMENTS = st.lists(st.sampled_from(["a", "b", "{x}"]), max_size=3)
MIXED = st.lists(st.tuples(SEGMENTS, st.booleans()), min_size=2, max_size=6)


@given(MIXED, st.lists(st.sampled_from(["a", "b", "c"]), max_size=4))
def test_first_match_is_the_route_that_the_sidecar_counts(
    shapes: list[tuple[list[str], bool]], segments: list[str]
) -> None:
    templates = {"/" + "/".join([*words, "*"] if has_rest else words) for words, has_rest in shapes}
    table = RouteTable(sorted(templates))
    target = f"/{'/'.join(segments)}"
    ordered = sorted(map(MovedPath.of, templates), key=lambda path: path.precedence)
    first = next((path for path in ordered if re.fullmatch(path.pattern, target)), None)
    expected = OTHER if first is None else route_tag(first.template)
    assert table.match(target.encode()) == expected
