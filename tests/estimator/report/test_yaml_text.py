from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from estimator.report.yaml_text import Why, plain, to_yaml

keys = st.text("abcXYZ_-./@0123456789 :#", min_size=1, max_size=8)
scalars = st.one_of(
    st.text(max_size=20), st.integers(-(10**9), 10**9), st.booleans(), st.just("no"), st.just("1")
)
reasoned = st.builds(Why, st.one_of(st.text(max_size=9), st.integers(0, 99)), st.text(max_size=99))
leaves = st.one_of(scalars, reasoned)
mappings = st.recursive(
    st.dictionaries(keys, leaves, min_size=1, max_size=4),
    lambda inner: st.dictionaries(
        keys, st.one_of(leaves, inner, st.lists(inner, min_size=1, max_size=3)), min_size=1
    ),
    max_leaves=20,
)


@given(mappings, st.text(max_size=50))
def test_what_is_written_is_what_is_read(tree: dict[str, Any], head: str) -> None:
    assert yaml.safe_load(to_yaml(tree, [head])) == plain(tree)


def test_a_reason_stands_above_its_number() -> None:
    tree = {"spec": {"minReplicas": Why(3, "the trough")}}
    assert to_yaml(tree) == "spec:\n  # the trough\n  minReplicas: 3\n"


def test_a_reason_cannot_end_its_comment() -> None:
    text = to_yaml({"a": Why(1, "first\nb: 2\r\nc: 3")})
    assert yaml.safe_load(text) == {"a": 1}


def test_a_key_left_out_says_so() -> None:
    text = to_yaml({"limits": {"cpu": Why(None, "it throttles"), "memory": "1Gi"}})
    assert "# it throttles\n  # cpu: omitted\n" in text
    assert yaml.safe_load(text) == {"limits": {"memory": "1Gi"}}


@pytest.mark.parametrize("word", ["no", "on", "1e3", "0x1", "null", "", "- a", "a: b", "1:30"])
def test_words_that_yaml_reads_otherwise_are_quoted(word: str) -> None:
    assert yaml.safe_load(to_yaml({"a": word})) == {"a": word}
