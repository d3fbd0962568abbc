from typing import Any

import pytest

from mirror.formats.yaml_documents import (
    LIMIT,
    MOST_DEPTH,
    MOST_OTHER_KEYS,
    Duplicate,
    YamlError,
    read_document,
    read_documents,
)


def laughs(first: str, each: str, levels: int = 9) -> str:
    """Return a billion laughs: every level holds the one before it ten times."""
    lines = (
        f"a{level}: &a{level} " + each % ", ".join([f"*a{level - 1}"] * 10)
        for level in range(1, levels + 1)
    )
    return "\n".join([f"a0: &a0 {first}", *lines])


def chain(links: int) -> str:
    """Return a small text that is nested deep through its aliases."""
    lines = ["- &a0 [1]", *(f"- &a{number} [*a{number - 1}]" for number in range(1, links))]
    return "\n".join(lines)


BOMBS = {
    "aliases": (laughs("[x]", "[%s]"), "line 7: has more than 300,000 values, which is the limit"),
    "values of mappings": (laughs("{k: x}", "{k: [%s]}"), "values, which is the limit"),
    "merges": (laughs("{k: x}", "{<<: [%s]}"), "values, which is the limit"),
    "deep lists": ("[" * 10_000, "line 1: is nested more than 100 deep"),
    "deep mappings": ("{a: " * 10_000, "line 1: is nested more than 100 deep"),
    "deep blocks": ("- " * 10_000, "line 1: is nested more than 100 deep"),
    "deep aliases": (chain(10_000), "line 100: is nested more than 100 deep"),
    "itself": ("&a [*a]", r"line 1: \*a stands within itself"),
    "itself merged": ("&a {<<: *a}", r"line 1: \*a stands within itself"),
    "size": ("#" * (LIMIT.most_bytes + 1), "has more than 4,194,304 characters"),
    "one hash": (
        "{" + ", ".join(f"{k * (2**61 - 1)}: 1" for k in range(MOST_OTHER_KEYS + 1)) + "}",
        "more than 1,000 keys that are no text",
    ),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_with_its_limit(kind: str) -> None:
    text, reason = BOMBS[kind]
    with pytest.raises(YamlError, match=reason):
        read_document(text)


def test_keys_of_one_hash_are_counted_through_merges() -> None:
    mappings = [
        "{" + ", ".join(f"{(k + n * 900) * (2**61 - 1)}: 1" for k in range(900)) + "}"
        for n in range(3)
    ]
    with pytest.raises(YamlError, match="more than 1,000 keys that are no text"):
        read_document(f"<<: [{', '.join(mappings)}]")


def test_the_limits_leave_room() -> None:
    depth = MOST_DEPTH
    value: Any = read_document("[" * depth + "1" + "]" * depth)
    for _ in range(depth):
        (value,) = value
    assert value == 1
    values: Any = read_document("a: &a [" + "1," * 1000 + "]\nb: [" + "*a," * 100 + "]")
    assert values["b"] == [[1] * 1000] * 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a {size: 3}\nb: {<<: *a}", {"size": 3}),
        ("a: &a {size: 3}\nb: {size: 4, <<: *a}", {"size": 4}),
        ("a: [&a {x: 1, y: 1}, &c {y: 2, z: 2}]\nb: {<<: [*a, *c]}", {"x": 1, "y": 1, "z": 2}),
        # The merged mapping itself merges and overrides, and is built after the one that merges it.
        ("a: {n: &a {<<: &c {x: 1}, x: 2}}\nb: {<<: *a}", {"x": 2}),
    ],
)
def test_merge_keys_work(text: str, expected: object) -> None:
    document: Any = read_document(text)
    assert document["b"] == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: 1\na: 2", "a"),
        ("x: 1\n{b: 1}: 2", None),
        ("1: 1\n1.0: 2", "1.0"),
        ("a: &a {size: 3}\nb: {<<: *a, size: 4, size: 5}", "size"),
        ("a: &a {size: 3}\nb: {<<: *a, <<: *a}", "<<"),
        ("a: &a {x: 1}\nb: {<<: {y: 1, y: 2}}", "y"),
    ],
)
def test_a_key_given_twice_names_its_line(text: str, key: str | None) -> None:
    reason = "a list or a mapping is no key" if key is None else f"the key '{key}' appears twice"
    with pytest.raises(YamlError, match=f"^line 2: {reason}"):
        read_document(text)


def test_every_duplicate_is_listed_for_who_wants_all() -> None:
    found: list[Duplicate] = []
    document = read_document("a: 1\na: 2\nb: {c: 1, c: 2}", on_duplicate=found.append)
    assert found == [Duplicate("a", 2, 1), Duplicate("c", 3, 3)]
    assert document == {"a": 2, "b": {"c": 2}}


def test_documents_share_the_limits() -> None:
    assert read_documents("") == []
    assert read_document("") is None
    assert read_documents("a: 1\n---\n- 2\n") == [{"a": 1}, [2]]
    with pytest.raises(YamlError, match="expected one document, got 2"):
        read_document("1\n---\n2\n")
    assert read_documents("&a [1]\n---\n&a [2]\n") == [[1], [2]]


def test_lines_of_keys_are_noted() -> None:
    noted: list[tuple[dict[Any, Any], int, dict[str, int]]] = []
    read_document("a: 1\nb:\n  c: 2\n", lambda *each: noted.append(each))  # type: ignore[arg-type]
    assert noted == [
        ({"a": 1, "b": {"c": 2}}, 1, {"a": 1, "b": 2}),
        ({"c": 2}, 3, {"c": 3}),
    ]


def test_numbers_are_those_of_yaml_1_2() -> None:
    document = read_document("[1_0, '1', 1:30, 1.5, 1_0.5, 0x10, 1e3, 0x" + "f" * 5000 + "]")
    assert document == ["1_0", "1", "1:30", 1.5, "1_0.5", 16, "1e3", "0x" + "f" * 5000]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "\x1b",
        "!!python/name:os.system x",
        "!!int x",
        "!!int ''",
        "!!float ''",
        "!!bool x",
        "!!timestamp x",
        "!!binary é",
        "2020-99-99",
        "*a",
        "a: {<<: 5}",
        "!!map 5",
        "=",
        "9" * 99 + "e",
        "? [1]\n: 2",
        "!!set {[1]}",
    ],
)
def test_anything_but_plain_yaml_is_one_error(text: str) -> None:
    try:
        assert read_document(text) == text
    except YamlError as error:
        assert "\n" not in str(error)
