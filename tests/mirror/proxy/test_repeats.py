"""Checks that a request that comes again with its id is recognised."""

import logging

import pytest

from mirror.core.request_head import RequestHead
from mirror.proxy.recent_ids import RecentIds, create_table
from mirror.proxy.repeats import Repeats


def head_of(request_id: bytes) -> RequestHead:
    head = RequestHead(b"GET", 1, keep_alive=True)
    head.start = b"GET / HTTP/1.1\r\nHost: h\r\nX-Id: %b\r\n" % request_id
    return head


def test_the_same_id_within_the_window_is_a_repeat() -> None:
    repeats = Repeats(RecentIds(create_table()), "X-Id")
    assert not repeats.has(head_of(b"a"), 1.0)
    assert not repeats.has(head_of(b"b"), 1.0)
    assert repeats.has(head_of(b"a"), 1.1)


def test_without_a_table_nothing_is_a_repeat() -> None:
    repeats = Repeats(None, "X-Id")
    assert not repeats.has(head_of(b"a"), 1.0)
    assert not repeats.has(head_of(b"a"), 1.0)


def test_a_request_without_an_id_is_new_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    repeats = Repeats(RecentIds(create_table()), "X-Other")
    with caplog.at_level(logging.WARNING):
        assert not repeats.has(head_of(b"a"), 1.0)
        assert not repeats.has(head_of(b"a"), 1.0)
    assert caplog.text.count("without the field x-other") == 1
