"""Whether the access log that copies are joined with can be read, and says what is needed.

Datagrams say nothing before the first of them comes, so of them only the room in the kernel is
judged. The socket itself is checked like a listener (host.py).
"""

import os
import stat
from pathlib import Path

from mirror.addresses import FileAddress, UdpAddress
from mirror.comparison.datagrams import DATAGRAM_BYTES, RECEIVE_BUFFER_BYTES
from mirror.comparison.log_lines import LONGEST_LINE_BYTES, answer_of, id_of, place_of, read_line
from mirror.config import Config
from mirror.preflight.findings import Finding
from mirror.preflight.rules import ACCESS_LOG, ACCESS_LOG_FORMAT, LOG_BUFFER, NOT_COMPARED

KEY = "comparison.access_log"
LEAST_QUEUE = 512
"""Lines that come within 50 ms at 10,000 requests a second."""
KERNEL = Path("/proc/sys/net")


def access_log_findings(config: Config, kernel: Path = KERNEL) -> list[Finding]:
    """Return findings about the log; `kernel` is the folder of the kernel's network settings."""
    source = config.comparison.access_log
    if config.mode == "inline" or not config.comparison.enabled:
        return []
    if source is None:
        what = f"In mode sink nothing is compared without {KEY}."
        return [NOT_COMPARED.at(KEY, what)]
    if isinstance(source, FileAddress):
        return _file_findings(source.path)
    if isinstance(source, UdpAddress):
        most = _setting(kernel / "core/rmem_max")
        if most is not None and most < RECEIVE_BUFFER_BYTES:
            # The kernel doubles what is asked for (socket(7)).
            what = (
                f"net.core.rmem_max is {most}, room for about {2 * most // DATAGRAM_BYTES} lines."
            )
            return [LOG_BUFFER.at(KEY, what)]
        return []
    most = _setting(kernel / "unix/max_dgram_qlen")
    if most is not None and most < LEAST_QUEUE:
        what = (
            f"net.unix.max_dgram_qlen is {most}, room for as many lines. What comes beyond is "
            "dropped by nginx, which does not count it."
        )
        return [LOG_BUFFER.at(KEY, what)]
    return []


def _file_findings(path: str) -> list[Finding]:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        return [ACCESS_LOG.at(KEY, f"{path} cannot be read: {error.strerror}.")]
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode):
            return [ACCESS_LOG.at(KEY, f"{path} is no regular file.")]
        begin = max(0, state.st_size - LONGEST_LINE_BYTES)
        lines = os.pread(file, LONGEST_LINE_BYTES, begin).split(b"\n")[:-1]
    finally:
        os.close(file)
    missing = _missing_in(lines[-1]) if lines else None
    return [] if missing is None else [ACCESS_LOG_FORMAT.at(KEY, f"The last line {missing}.")]


def _missing_in(data: bytes) -> str | None:
    """Return what a line lacks; None where it has everything."""
    line = read_line(data)
    if line is None:
        return "is no JSON object"
    if not id_of(line):
        return "has no `id`, so no copy can be joined with it"
    if answer_of(line) is None:
        return "has no `status`, so nothing can be compared"
    if place_of(line) is None:
        return "has no `connection` and `connection_requests`, so lines that are lost do not show"
    return None


def _setting(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
