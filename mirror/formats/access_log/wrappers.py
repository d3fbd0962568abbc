"""What stands around a line of an access log: Docker, Kubernetes, syslog, the journal, shippers.

`unwrapped` takes one layer after the other from a line. `unwrapped_block` does the same with a
block of lines, several times as fast, and returns exactly as many lines.

The time of a wrapper is never the time of a request: it says when the line was passed on.

References: RFC 3164 section 4.1, RFC 5424 section 6, Kubernetes' CRI log format, the "Journal
Export Formats" of systemd, Docker's json-file driver, Fluent Bit's `log` key.
"""

import re

import msgspec

from mirror.formats.access_log.request import OTHER_MESSAGE, PART, BadLine, NotARequest
from mirror.formats.access_log.times import ISO_TIME

MOST_LAYERS = 4
"""A line of nginx in Docker, passed on by syslog and stored by the journal, has three."""

_LAYER = re.compile(
    rb"^(?:"
    # RFC 5424, with or without the octet count of RFC 6587, and its structured data.
    rb"(?:\d+ )?<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ "
    rb"(?:-|(?:\[(?:[^\]\\\n]|\\.)*\])+)[ ]?(?:\xef\xbb\xbf)?"
    # RFC 3164, with the day padded by a space or a zero, or with the ISO time of rsyslog and the
    # journal; the tag ends in a colon.
    rb"|(?:<\d{1,3}>)?(?:[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|%b)"
    rb" (?:[^\s:\[\]\"]+ )?[^\s:\[\]\"|]+(?:\[[^\s\]]*\])?: "
    # CRI: time, stream, and whether the line is full.
    rb"|%b (?:stdout|stderr) F "
    # docker service logs and docker compose logs, with their own times or without.
    rb"|(?:%b )?[A-Za-z0-9_.@-]+[ ]+\| (?:%b )?"
    # kubectl logs --prefix; docker logs and kubectl logs with --timestamps.
    rb"|\[pod/[^\]\s]+\] "
    rb"|%b (?=\[\d|\{|(?:\S+ )?[0-9A-Fa-f.:]+ \S+ \S+ \[|(?:https?|h2|grpcs?|wss?) \d)"
    rb"|MESSAGE="
    rb")" % ((ISO_TIME,) * 5),
    re.MULTILINE,
)
_PART = re.compile(ISO_TIME + rb" (?:stdout|stderr) P ")
_JOURNAL_FIELD = re.compile(
    rb"(?:_[A-Z0-9_]+|PRIORITY|SYSLOG_[A-Z_]+|CODE_[A-Z]+|MESSAGE_ID|CONTAINER_[A-Z_]+|IMAGE_NAME"
    rb"|TID|INVOCATION_ID|UNIT|USER_UNIT)="
)
_ERROR_LOG = re.compile(
    rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] "  # nginx
    rb"|\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:.]+ \d{4}\] \["  # Apache
)
_OF_DOCKER = re.compile(rb'\{"log":"')


class _Wrapper(msgspec.Struct, gc=False):
    """A JSON object around a line; the first key with a text counts."""

    log: str


_WRAPPER = msgspec.json.Decoder(_Wrapper)


def unwrapped(line: bytes) -> tuple[bytes, int]:
    """Return the line without its layers of text, and their number. Raises BadLine."""
    layers = 0
    while layers < MOST_LAYERS and (match := _LAYER.match(line)):
        line = line[match.end() :].lstrip(b" ")
        layers += 1
    if _PART.match(line):
        raise BadLine(PART, "is a part of a line that the container runtime has split")
    if _JOURNAL_FIELD.match(line):
        raise NotARequest(OTHER_MESSAGE, "is a field of the journal's export beside the message")
    if _ERROR_LOG.match(line):
        raise NotARequest(OTHER_MESSAGE, "is a line of an error log")
    return line, layers


def unwrapped_block(block: bytes) -> bytes:
    """Return the block without the layers that its first line has; each line stays one line."""
    for _ in range(MOST_LAYERS):
        if _OF_DOCKER.match(block):
            inner = _logs_of_docker(block)
            if inner is None:
                return block
            block = inner
        elif _LAYER.match(block):
            block = _LAYER.sub(b"", block)
        else:
            break
    return block


def _logs_of_docker(block: bytes) -> bytes | None:
    """Return the lines in a block of Docker's json-file; None if one of them is anything else."""
    try:
        lines = [wrapper.log for wrapper in _WRAPPER.decode_lines(block)]
        inner = "".join(lines).encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    number = block.count(b"\n") + (not block.endswith(b"\n"))
    # A part of a line ends without a line break, and `log` may hold several lines.
    is_whole = len(lines) == number == inner.count(b"\n") and "" not in lines
    return inner if is_whole and all(line[-1] == "\n" for line in lines) else None
