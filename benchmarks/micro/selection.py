"""Choosing the requests that get a shadow leg, and the route under which they count."""

from benchmarks.macro.ways import templates
from benchmarks.micro import heads
from benchmarks.micro.harness import Case
from benchmarks.micro.head_parser import read_request
from mirror.core.selection import Selector
from mirror.formats.routes import RouteTable


def cases() -> dict[str, Case]:
    head = read_request(heads.SMALL)
    selector = Selector(("GET", "HEAD", "OPTIONS"), 0.5)
    single, fifty = RouteTable(templates(1)), RouteTable(templates(50))
    return {
        "Selector.choose": lambda: selector.choose(head),
        "RouteTable.match, 1 route": lambda: single.match(head.target),
        "RouteTable.match, 50 routes": lambda: fifty.match(head.target),
        "RouteTable.match, none fits": lambda: fifty.match(b"/elsewhere/42?from=feed"),
    }
