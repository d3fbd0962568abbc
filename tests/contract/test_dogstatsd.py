"""Checks the fake Agent's parser against the documented protocol and the client's output.

    name:value[:value...]|type[|@rate][|#tag,tag...][|T<Unix seconds>][|c:<container>]

Source: docs.datadoghq.com, DogStatsD datagram format, v1.0 to v1.3. The test vectors here are
ours; test_shared_data.py uses the Agent's own.
"""

import socket
from collections.abc import Callable

import pytest
from datadog.dogstatsd.base import DogStatsd

from tests.fakes_agent import Line, Rejected, parse, received

AT = 1_772_442_000

ACCEPTED = {
    "queue.size:12|g": Line("queue.size", "g", (12.0,)),
    "queue.size:-0.5|g": Line("queue.size", "g", (-0.5,)),
    "orders:3|c": Line("orders", "c", (3.0,)),
    "render.time:250|ms": Line("render.time", "ms", (250.0,)),
    "basket:4.5|h": Line("basket", "h", (4.5,)),
    "basket:4.5|d": Line("basket", "d", (4.5,)),
    "visitor:anna|s": Line("visitor", "s", (), "anna"),
    # v1.1: several values in a line, which a set still takes as one.
    "basket:1:2.5:3|d": Line("basket", "d", (1.0, 2.5, 3.0)),
    "orders:3:4|c": Line("orders", "c", (3.0, 4.0)),
    "visitor:anna:ben|s": Line("visitor", "s", (), "anna:ben"),
    "orders:3|c|@0.1": Line("orders", "c", (3.0,), sample_rate=0.1),
    "orders:3|c|#env:prod,canary": Line("orders", "c", (3.0,), tags=("env:prod", "canary")),
    "orders:3|c|#": Line("orders", "c", (3.0,)),
    "größe:3|g|#stadt:köln": Line("größe", "g", (3.0,), tags=("stadt:köln",)),
    # v1.3: a timestamp; the fields may come in any order.
    f"queue.size:12|g|T{AT}": Line("queue.size", "g", (12.0,), timestamp=AT),
    f"orders:3|c|@0.5|#a:b|T{AT}": Line("orders", "c", (3.0,), None, ("a:b",), 0.5, AT),
    f"orders:3|c|T{AT}|#a:b|@0.5": Line("orders", "c", (3.0,), None, ("a:b",), 0.5, AT),
    # v1.2: the container. Neither it nor the fields of later versions are part of the point.
    "orders:3|c|#a:b|c:83c0a99c0a54c0c1": Line("orders", "c", (3.0,), tags=("a:b",)),
    f"queue.size:12|g|T{AT}|c:in-42|e:it-false|card:low": Line(
        "queue.size", "g", (12.0,), timestamp=AT
    ),
}
REJECTED = {
    "orders": "neither a value nor a type",
    "orders:3": "no type",
    "orders:3|": "an empty type",
    "orders:3|x": "a type that there is not",
    "orders:3|G": "types are in lower case",
    "orders:|c": "no value",
    ":3|c": "no name",
    "3|c": "no name and no colon",
    "orders:many|c": "a value that is no number",
    "orders:1:two|c": "one of several values that is no number",
    "orders:3|c|@often": "a rate that is no number",
    "queue.size:12|g|T": "an empty timestamp",
    "queue.size:12|g|Tnow": "a timestamp that is no number",
    "queue.size:12|g|T0": "a timestamp below 1",
    f"queue.size:12|g|T-{AT}": "a timestamp below 1",
    f"queue.size:12|g|T{AT}.5": "a timestamp with a fraction",
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_documented_line_is_read(text: str) -> None:
    assert parse(text) == ACCEPTED[text]


@pytest.mark.parametrize("text", REJECTED)
def test_broken_line_is_rejected(text: str) -> None:
    with pytest.raises(Rejected):
        parse(text)


def line(name: str, kind: str, value: float, *tags: str, timestamp: int | None = None) -> Line:
    return Line(f"shop.{name}", kind, (value,), None, (*tags, "env:test"), 1.0, timestamp)


CALLS: dict[str, tuple[Callable[[DogStatsd], object], Line]] = {
    "gauge": (lambda client: client.gauge("load", 1.5), line("load", "g", 1.5)),
    "gauge below zero": (lambda client: client.gauge("load", -2), line("load", "g", -2)),
    "large gauge": (lambda client: client.gauge("load", 1e20), line("load", "g", 1e20)),
    "increment": (lambda client: client.increment("hits"), line("hits", "c", 1)),
    "decrement": (lambda client: client.decrement("hits", 3), line("hits", "c", -3)),
    "count with tags": (
        lambda client: client.count("hits", 7, tags=["route:/a", "new"]),
        line("hits", "c", 7, "route:/a", "new"),
    ),
    # The client replaces characters that would end a tag.
    "tag with a pipe": (
        lambda client: client.count("hits", 7, tags=["a|b"]),
        line("hits", "c", 7, "a_b"),
    ),
    "sampled count": (
        lambda client: client.count("hits", 7, sample_rate=0.9999999999),
        Line("shop.hits", "c", (7.0,), None, ("env:test",), 0.9999999999),
    ),
    "histogram": (lambda client: client.histogram("size", 0.25), line("size", "h", 0.25)),
    "distribution": (lambda client: client.distribution("size", 12), line("size", "d", 12)),
    "timing": (lambda client: client.timing("took", 320), line("took", "ms", 320)),
    "set": (
        lambda client: client.set("who", "anna"),
        Line("shop.who", "s", (), "anna", ("env:test",)),
    ),
    "gauge of a second": (
        lambda client: client.gauge_with_timestamp("load", 4, AT),
        line("load", "g", 4, timestamp=AT),
    ),
    "count of a second": (
        lambda client: client.count_with_timestamp("hits", 4, AT, tags=["x:y"]),
        line("hits", "c", 4, "x:y", timestamp=AT),
    ),
}


@pytest.mark.parametrize("pattern", CALLS)
def test_what_the_client_writes_is_read(pattern: str) -> None:
    call, expected = CALLS[pattern]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        client = DogStatsd(
            "127.0.0.1", port, namespace="shop", constant_tags=["env:test"], disable_telemetry=True
        )
        call(client)
        client.flush()
        client.close_socket()
        _, lines = received(receiver)
    assert lines == [expected]
