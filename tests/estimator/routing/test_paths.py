"""Each expected path is the answer of a real Envoy 1.40 with the options that istiod sets."""

import pytest

from estimator.routing.paths import Normalization, normalized

NONE, BASE, MERGE, DECODE = Normalization

ANSWERS = [
    # Sent; then the answers of BASE, MERGE_SLASHES and DECODE_AND_MERGE_SLASHES.
    ("/a/b?c=/../d", "/a/b?c=/../d", "/a/b?c=/../d", "/a/b?c=/../d"),
    ("/a/../b", "/b", "/b", "/b"),
    ("/a/./b", "/a/b", "/a/b", "/a/b"),
    ("/a/..", "/", "/", "/"),
    ("/a/.", "/a/", "/a/", "/a/"),
    ("/../a", "/a", "/a", "/a"),
    ("/a/.%2e/b", "/b", "/b", "/b"),
    ("/a//../b", "/a/b", "/a/b", "/a/b"),
    ("/a/..;x/b", "/b", "/b", "/b"),
    ("/a;x/../b", "/b", "/b", "/b"),
    ("/a/...", "/a/...", "/a/...", "/a/..."),
    ("/a//b///c//", "/a//b///c//", "/a/b/c/", "/a/b/c/"),
    ("///", "///", "//", "//"),
    ("/a//?b//c", "/a//?b//c", "/a/?b//c", "/a/?b//c"),
    ("/a%2fb%5Cc", "/a%2fb%5Cc", "/a%2fb%5Cc", "/a/b/c"),
    ("/a/..%2fb", "/a/..%2fb", "/a/..%2fb", "/b"),
    ("/a/%2e%2e%2f", "/a/..%2f", "/a/..%2f", "/"),
    ("/a\\..\\b", "/b", "/b", "/b"),
    ("/%7e%41%2D%5F%3b", "/~A-_%3b", "/~A-_%3b", "/~A-_%3b"),
    ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D", *["/%22%3C%3E%5E%60%7B%7C%7D"] * 2),
    ("/%zz%2%", "/%zz%2%", "/%zz%2%", "/%zz%2%"),
    ("/%2%61", "/%252a", "/%252a", "/%252a"),
    ("/%%61%61a", "/%25aaa", "/%25aaa", "/%25aaa"),
    ("/a%00", None, None, None),
    ("/a/..;%00", "/", "/", "/"),
    ("/a?%00", "/a?%00", "/a?%00", "/a?%00"),
]


@pytest.mark.parametrize(("sent", "base", "merge", "decode"), ANSWERS, ids=lambda each: str(each))
def test_paths_are_those_of_envoy(
    sent: str, base: str | None, merge: str | None, decode: str | None
) -> None:
    assert normalized(sent, NONE) == sent
    assert normalized(sent, BASE) == base
    assert normalized(sent, MERGE) == merge
    assert normalized(sent, DECODE) == decode


@pytest.mark.parametrize("mode", Normalization)
@pytest.mark.parametrize("target", ["/a b", "/é", "/\udcff", "/a\x7f", "*", "", "#a"])
def test_what_the_parser_refuses_has_no_path(target: str, mode: Normalization) -> None:
    assert normalized(target, mode) is None


@pytest.mark.parametrize("mode", Normalization)
def test_a_fragment_is_cut_off(mode: Normalization) -> None:
    assert normalized("/a#b?c", mode) == "/a"
    assert normalized("/a?b#/../c", mode) == "/a?b"
    assert normalized("/a/..#é", Normalization.BASE) == "/"
