from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.routing.conditions import Kind, Text
from estimator.routing.path_index import PathIndex

_PATHS = st.text("aB/", max_size=6).map("/{}".format)
_KINDS = st.sampled_from((Kind.EXACT, Kind.PREFIX, Kind.SEGMENTS))
_TEXTS = st.builds(Text, _KINDS, _PATHS, st.booleans())
_REGEXES = st.builds(
    Text,
    st.just(Kind.REGEX),
    st.sampled_from(
        ("/a", "^/a", "/a?", "/aB*", "/a|/B", "/aB{0}", "(?i)/ab", "/a.*", ".*", "/aB+")
    ),
)


@given(texts=st.lists(_TEXTS | _REGEXES, max_size=12), path=_PATHS)
@settings(max_examples=300)
def test_every_text_that_matches_is_found_in_order(texts: list[Text], path: str) -> None:
    found = PathIndex(texts).places(path)
    assert found == sorted(set(found))
    assert {place for place, text in enumerate(texts) if text.matches(path)} <= set(found)


def test_what_the_path_excludes_is_left_out() -> None:
    texts = [
        Text(Kind.EXACT, "/a/b"),
        Text(Kind.PREFIX, "/c"),
        Text(Kind.REGEX, "/a/[0-9]+"),
        Text(Kind.SEGMENTS, "/a"),
        Text(Kind.REGEX, "/c/[0-9]+"),
        Text(Kind.EXACT, "/A/B", ignores_case=True),
    ]
    assert PathIndex(texts).places("/a/b") == [0, 2, 3, 5]
    assert PathIndex(texts).places("/c/1") == [1, 4, 5]
    assert PathIndex(texts).places("") == [5]
