"""The supervisor's work for a line of nginx's access log, and for the copy that it is joined with.

The cost of receiving a line is that of one recv on a datagram socket, which is in its own case.
"""

import socket
import time
from itertools import count

import msgspec

from benchmarks.micro.harness import Case
from mirror.comparison.connections import Connections
from mirror.comparison.join import LogJoin
from mirror.comparison.log_lines import LONGEST_LINE_BYTES, answer_of, id_of, place_of, read_line
from mirror.config import parse
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import Copy

LINE = (
    b'<190>Nov 26 08:18:58 nginx: {"id":"%032x","time":"1795681138.922","status":"200",'
    b'"method":"GET","host":"www.example.com","uri":"/catalogue/shoes?page=2","upstream_s":"0.004",'
    b'"upstream":"10.0.0.9:8080","upstream_bytes":"7000","bytes":"7000","completion":"OK",'
    b'"location":"","connection":"%d","connection_requests":"%d","pid":"13088"}'
)
CONFIG = """
listen: 127.0.0.1:1
shadow: {url: 'http://127.0.0.1:2', timeout: 0.1}
comparison: {access_log: 'file:/nowhere'}
"""
SERVED = Answer(200, "2xx", 5000, 7000)
# Both are open as long as the process, because a case has no end.
_CLIENT, _SERVER = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


class _NoLog:
    """A source that the benchmark itself takes the place of."""

    problem = ""

    def start(self, take: object) -> None:
        self.take = take

    def tick(self, now: float) -> int:
        return 0

    def read_rest(self, now: float) -> int:
        return 0

    def stop(self) -> None:
        pass


def cases() -> dict[str, Case]:
    line = LINE % (1, 7, 3)
    connections = Connections()
    numbers = count(1)
    copies = [Copy(f"{number:032x}", "/api/*", SERVED, None) for number in range(1000)]
    encoded = msgspec.msgpack.encode(copies)
    decoder = msgspec.msgpack.Decoder(list[Copy])

    def read() -> None:
        values = read_line(line)
        assert values is not None
        id_of(values), answer_of(values), place_of(values)

    return {
        "a log line: read": read,
        "a log line: place on its connection": lambda: connections.add("1:7", next(numbers)),
        "a log line without a copy, all": joining(with_copies=False),
        "a log line and its copy, all": joining(with_copies=True),
        "1,000 copies of a report: decoded": lambda: decoder.decode(encoded),
        "a log line: recv of its datagram, and send": lambda: receive(line),
    }


def joining(with_copies: bool) -> Case:
    """Return a case that takes a line; a tick of the supervisor comes after 1,000 of them."""
    join, source = LogJoin(1), _NoLog()
    config = parse(CONFIG)
    join.use(config, source)
    take = source.take
    assert callable(take)
    numbers = count(1)

    def one() -> None:
        number = next(numbers)
        if with_copies:
            join.add([Copy(f"{number:032x}", "/api/*", SERVED, None)])
        take(LINE % (number, number % 100, number // 100 + 1))
        if number % 1000 == 0:
            join.tick(number // 4000 + 1, time.monotonic())
            join.report()

    return one


def receive(line: bytes) -> None:
    _CLIENT.send(line)
    _SERVER.recv(LONGEST_LINE_BYTES)
