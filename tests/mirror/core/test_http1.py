"""Checks what both kinds of head share: sorting fields, and the plan cached by field names."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core import http1
from mirror.core.http1 import (
    NO_ANSWER,
    FieldPlan,
    Framing,
    chunk,
    connection_options,
    error_response,
    fields_size_bytes,
    has_too_many_fields,
    is_length,
    is_plain,
    last_chunk,
    plan_of,
    sort_fields,
)

TOKEN = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
VALUE = st.from_regex(rb"([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,10}[!-~\x80-\xff])?)?", fullmatch=True)
NAMED = st.sampled_from(
    [b"Host", b"content-length", b"CONNECTION", b"Te", b"Expect", b"Upgrade", b"X-Mirror-Leg"]
    + [b"X-Mirror-Mode"]
)
FIELDS = st.lists(st.tuples(TOKEN | NAMED, VALUE), max_size=8)
STATUSES = [400, 408, 414, 417, 431, 501, 502, 503, 504, 505]


def flat_of(*fields: tuple[bytes, bytes]) -> list[bytes]:
    return [part for field in fields for part in field]


@pytest.fixture
def no_plans() -> None:
    http1._plans.clear()


# --- sorting ---


def test_end_to_end_fields_keep_their_order() -> None:
    lines, apart = sort_fields([b"Cookie", b"a", b"X", b"1", b"Cookie", b"b"])
    assert lines == b"Cookie: a\r\nX: 1\r\nCookie: b\r\n"
    assert apart == {}


@pytest.mark.parametrize("name", sorted(http1._SET_APART))
def test_fields_between_hops_are_set_apart(name: bytes) -> None:
    lines, apart = sort_fields([b"A", b"1", name.title(), b" 2 ", name.upper(), b"3"])
    assert lines == b"A: 1\r\n"
    assert apart == {name: [b"2", b"3"]}


def test_nominated_fields_stay_here() -> None:
    lines, apart = sort_fields(
        flat_of((b"X-A", b"1"), (b"Connection", b"x-a, close"), (b"X-B", b"2"), (b"close", b"3"))
    )
    assert lines == b"X-B: 2\r\nclose: 3\r\n", "an option is not the name of a field"
    assert connection_options(apart) == {b"x-a", b"close"}


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([], set()),
        ([b"close"], {b"close"}),
        ([b"Keep-Alive , X-A", b",TE"], {b"keep-alive", b"x-a", b"", b"te"}),
    ],
)
def test_options_of_all_connection_fields(values: list[bytes], options: set[bytes]) -> None:
    assert connection_options({b"connection": values} if values else {}) == options


def test_size_is_that_of_the_head_lines() -> None:
    flat = flat_of((b"A", b"1"), (b"Long", b"x" * 1000))
    assert fields_size_bytes(flat) == len(b"A: 1\r\n") + len(b"Long: \r\n") + 1000
    assert fields_size_bytes([]) == 0


# --- plans ---


@pytest.mark.parametrize(
    ("fields", "plain"),
    [
        ((), True),
        (((b"A", b"1"),), True),
        (((b"A", b"1"), (b"B", b"2")), True),
        (((b"Host", b"a"), (b"content-LENGTH", b"1"), (b"Connection", b"close")), True),
        (((b"Connection", b"keep-alive"),), True),
        (((b"Connection", b"Keep-Alive"),), True),
        (((b"Connection", b"Close"),), True),
        (((b"Connection", b"x-a"),), False),
        (((b"Connection", b"KEEP-ALIVE"),), False),
        (((b"Host", b"a"), (b"Host", b"a")), False),
        (((b"Transfer-Encoding", b"chunked"),), False),
        (((b"TE", b"trailers"),), False),
        (((b"Upgrade", b"x"),), False),
        (((b"X-Mirror-Leg", b"shadow"),), False),
        (((b"Host", b"a"), (b"X-Mirror-Mode", b"sink")), True),
        (((b"X-Mirror-Mode", b"sink"), (b"x-mirror-mode", b"sink")), False),
    ],
)
def test_plain_heads_are_told_apart(fields: tuple[tuple[bytes, bytes], ...], plain: bool) -> None:
    flat = flat_of(*fields)
    assert is_plain(plan_of(flat), flat[1::2]) is plain


def test_plan_points_to_the_four_it_knows() -> None:
    plan = FieldPlan((b"A", b"HOST", b"Connection", b"Content-Length", b"X-Mirror-MODE"))
    assert (plan.host_at, plan.connection_at, plan.length_at, plan.mode_at) == (1, 2, 3, 4)
    none = FieldPlan((b"A",))
    assert (none.host_at, none.connection_at, none.length_at, none.mode_at) == (-1, -1, -1, -1)


@given(FIELDS)
def test_plan_writes_what_sorting_writes(fields: list[tuple[bytes, bytes]]) -> None:
    flat = flat_of(*fields)
    values = flat[1::2]
    plan = plan_of(flat)
    if is_plain(plan, values):
        lines, apart = sort_fields(flat)
        assert plan.template % plan.pick(values) == lines
        assert set(apart) <= {b"host", b"content-length", b"connection", b"x-mirror-mode"}


def test_percent_signs_are_only_signs() -> None:
    flat = [b"A%b", b"%d", b"%", b"%%"]
    plan = plan_of(flat)
    assert plan.template % plan.pick(flat[1::2]) == b"A%b: %d\r\n%: %%\r\n"


def test_same_names_share_a_plan(no_plans: None) -> None:
    assert plan_of([b"A", b"1"]) is plan_of([b"A", b"2"])
    assert plan_of([b"A", b"1"]) is not plan_of([b"a", b"1"]), "names are written as they came"


def test_plans_are_bounded_in_number(no_plans: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "_MOST_PLANS", 3)
    for number in range(10):
        plan_of([b"X-%d" % number, b"1"])
        assert len(http1._plans) <= 3


def test_plans_are_bounded_in_size(no_plans: None) -> None:
    assert plan_of([b"x" * 2048, b"1"]) is plan_of([b"x" * 2048, b"1"])
    assert plan_of([b"x" * 2049, b"1"]) is not plan_of([b"x" * 2049, b"1"])


def test_plans_of_many_names_are_not_kept(no_plans: None) -> None:
    assert plan_of([b"x", b"1"] * 64) is plan_of([b"x", b"1"] * 64)
    assert plan_of([b"x", b"1"] * 65) is not plan_of([b"x", b"1"] * 65)


def test_all_plans_stay_within_their_bytes(no_plans: None) -> None:
    """The costliest plans: as many and as long names as are kept, each a field that stays."""
    tracemalloc.start()
    try:
        for number in range(http1._MOST_PLANS):
            names = [b"%%%028d-%d" % (number, at % 10) for at in range(64)]
            assert sum(map(len, names)) <= 2048
            plan_of([part for name in names for part in (name, b"1")])
        assert len(http1._plans) == http1._MOST_PLANS
        names = []
        assert http1.PLANS_BYTES / 2 < tracemalloc.get_traced_memory()[0] <= http1.PLANS_BYTES
    finally:
        tracemalloc.stop()


def test_two_hundred_fields_are_accepted() -> None:
    assert not has_too_many_fields([b"a", b"1"] * 200)
    assert has_too_many_fields([b"a", b"1"] * 201)


# --- lengths, chunks, trailers ---


@pytest.mark.parametrize("value", [b"0", b"5", b"003", b"9" * 18])
def test_digits_are_a_length(value: bytes) -> None:
    assert is_length(value)


@pytest.mark.parametrize(
    "value", [b"", b"-1", b"+1", b"1 1", b"1,1", b"0x1", b"1" * 19, "١".encode(), b"1_0", b"1.0"]
)
def test_anything_else_is_none(value: bytes) -> None:
    assert not is_length(value)


def test_chunk_carries_its_size_in_hex() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_last_chunk_without_trailers() -> None:
    assert last_chunk([]) == b"0\r\n\r\n"


def test_trailers_follow_the_last_chunk() -> None:
    assert last_chunk([b"T", b"1", b"T", b"2"]) == b"0\r\nT: 1\r\nT: 2\r\n\r\n"


@pytest.mark.parametrize("name", sorted(http1._NO_TRAILER))
def test_what_frames_or_authenticates_is_no_trailer(name: bytes) -> None:
    assert last_chunk([name.title(), b"1", b"T", b"2"]) == b"0\r\nT: 2\r\n\r\n"


def test_framings_are_the_members() -> None:
    for member in Framing:
        assert getattr(http1, member.name) is member


# --- own answers ---


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("close", [True, False])
def test_own_answer_is_a_whole_response(status: int, close: bool) -> None:
    head, found, body = error_response(status, close).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Length: %d" % len(body) in lines
    assert (b"Connection: close" in lines) is close
    assert found and body == lines[0].removeprefix(b"HTTP/1.1 ") + b"\n"


def test_own_answer_to_head_has_no_body() -> None:
    head, end, _ = error_response(502, close=False).partition(b"\r\n\r\n")
    assert error_response(502, close=False, with_body=False) == head + end


def test_no_answer_is_no_byte() -> None:
    assert error_response(NO_ANSWER, close=True) == b""


def test_constant_answers_have_no_body() -> None:
    for answer in (http1.CONTINUE, http1.NO_CONTENT, http1.NO_CONTENT_CLOSE):
        assert answer.count(b"\r\n\r\n") == 1 and answer.endswith(b"\r\n\r\n")
