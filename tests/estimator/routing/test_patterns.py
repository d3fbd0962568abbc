import pytest

from estimator.routing.patterns import (
    PatternError,
    check,
    check_replacement,
    literal_prefix,
    matches_whole,
    replace_all,
)


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("a|b", "a", True),
        ("a|b", "ab", False),
        ("/v1/.*", "/v1/", True),
        ("/v1", "/v1/x", False),
        ("(?i)/API", "/api", True),
        (".*", "/\udcff", True),
        ("/ä", "/ä", True),
        ("/.", "/ä", False),
        ("/..", "/ä", True),
        ("(?i)/Ä", "/ä", False),
    ],
)
def test_match_covers_the_whole_value(pattern: str, value: str, matches: bool) -> None:
    assert matches_whole(pattern, value) is matches


@pytest.mark.parametrize("pattern", ["a(?=b)", r"(a)\1", "(", "*"])
def test_what_re2_refuses_is_named(pattern: str) -> None:
    with pytest.raises(PatternError, match="."):
        check(pattern)


@pytest.mark.parametrize(
    ("pattern", "by", "value", "result"),
    [
        ("(/a)?", r"[\1]", "b/ac", "[]b[/a]c[]"),
        ("x*", "-", "axb", "-a-b-"),
        ("^", "/p", "/a/b", "/p/a/b"),
        ("$", "/s", "/a", "/a/s"),
        ("[ab]", r"<\0\\>", "/ab", "/<a\\><b\\>"),
        ("^/", "-", "//", "-/"),
    ],
)
def test_all_matches_are_replaced_as_re2_does(
    pattern: str, by: str, value: str, result: str
) -> None:
    assert replace_all(pattern, by, value) == result


def test_groups_are_replaced() -> None:
    assert replace_all("^/old/([0-9]+)", r"/new/\1/x", "/old/7/y") == "/new/7/x/y"


@pytest.mark.parametrize(
    ("by", "replaced"), [(r"/\1\0", "/aa"), (r"\\", "\\"), ("plain", "plain"), ("", "")]
)
def test_replacement_has_groups_of_the_pattern(by: str, replaced: str) -> None:
    check_replacement("(a)", by)
    assert replace_all("(a)", by, "a") == replaced


@pytest.mark.parametrize("by", [r"\2", r"\n", r"\g<0>", "\\"])
def test_replacement_with_anything_else_is_refused(by: str) -> None:
    with pytest.raises(PatternError, match="is no group of"):
        check_replacement("(a)", by)


def test_literal_prefix_is_what_every_match_begins_with() -> None:
    prefixes = {
        "/shop/[0-9]+": "/shop/",
        "^/shop/x": "/shop/x",
        "/shops?": "/shop",
        "/shops*/x": "/shop",
        "/shops{0,2}": "/shop",
        "/shops+": "/shops",
        r"/v1\.0": "/v1",
        "/a|/b": "",
        "(?i)/shop": "",
        ".*": "",
        "": "",
    }
    assert {pattern: literal_prefix(pattern) for pattern in prefixes} == prefixes
