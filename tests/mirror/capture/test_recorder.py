"""Checks the recorder: what it accepts, what it drops, and that it never waits for the disk."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.capture import recorder as module
from mirror.capture.recorder import RECORD_BYTES, Recorder
from mirror.config_sections import CaptureSection
from mirror.core.http1 import CHUNKED, LENGTH
from mirror.core.request_head import RequestHead
from mirror.formats.capture.reader import SUFFIX, read_lines, read_records
from mirror.formats.capture.record import Record, Summary


def head_of(target: bytes = b"/a", host: bytes = b"a.example", fields: bytes = b"") -> RequestHead:
    head = RequestHead(b"GET", 1, keep_alive=True)
    head.target, head.host = target, host
    head.start = b"GET %b HTTP/1.1\r\nHost: %b\r\n%b" % (target, host, fields)
    return head


class Recording:
    """A recorder whose clock the test sets."""

    def __init__(self, folder: Path, **keys: object) -> None:
        self.folder = folder
        self.now = 1_767_225_600.25
        self.counts: Counter[str] = Counter()
        section = CaptureSection(path=str(folder), **keys)  # type: ignore[arg-type]
        self.recorder = Recorder(section, "here", self._count, lambda: self.now)
        self.summary = Summary()

    def _count(self, reason: str, number: int) -> None:
        self.counts[reason] += number

    def request(self, head: RequestHead | None = None, body: tuple[bytes, ...] = ()) -> None:
        capturing = self.recorder.begin(head or head_of(), self.now)
        if capturing is not None:
            for piece in body:
                self.recorder.add_body(capturing, piece)
            self.recorder.end(capturing)

    def end(self) -> list[Record]:
        self.recorder.stop(10)
        if not list(self.folder.glob(f"*{SUFFIX}")):
            return []
        return list(read_records(self.folder, None, self.summary))


def test_a_request_is_recorded_as_it_came(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.request(head_of(b"/a?b=\xe9", fields=b"Accept: */*\r\nx-empty: \r\n"))
    (record,) = recording.end()
    headers = (("Accept", "*/*"), ("x-empty", ""))
    assert record == Record(recording.now, "GET", "a.example", "/a?b=\xe9", headers)
    assert recording.counts == {"": 1}


def test_nginx_id_is_not_recorded(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.request(head_of(fields=b"X-Mirror-Request-Id: 1\r\nx-request-id: 2\r\n"))
    assert recording.end()[0].headers == (("x-request-id", "2"),)


def test_bodies_are_kept_up_to_their_limit(tmp_path: Path) -> None:
    recording = Recording(tmp_path, max_body_bytes=4)
    for framing, body in [(LENGTH, b"abcd"), (CHUNKED, b"abcd"), (LENGTH, b"abcde"), (LENGTH, b"")]:
        head = head_of()
        head.framing = framing
        recording.request(head, (body[:2], body[2:]))
    found = [(record.body, record.is_chunked, record.body_bytes) for record in recording.end()]
    assert found == [
        (b"abcd", False, None),
        (b"abcd", True, None),
        (None, False, 5),
        (b"", False, None),
    ]


def test_bodies_are_left_out_by_default(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    head = head_of()
    head.framing = LENGTH
    recording.request(head, (b"secret",))
    (record,) = recording.end()
    assert (record.body, record.body_bytes) == (None, 6)


def test_sampling_is_exact(tmp_path: Path) -> None:
    recording = Recording(tmp_path, ratio=0.25)
    for _ in range(100):
        recording.request()
    assert len(recording.end()) == 25
    assert recording.summary.not_sampled == 75


def test_off_and_on_for_a_while(tmp_path: Path) -> None:
    recording = Recording(tmp_path, enabled=False)
    recording.request(head_of(b"/before"))
    recording.recorder.switch(recording.now + 10)
    recording.request(head_of(b"/within"))
    recording.now += 10
    recording.request(head_of(b"/after"))
    recording.recorder.switch(recording.now + 10)
    recording.recorder.switch(0)
    recording.request(head_of(b"/off"))
    assert [record.target for record in recording.end()] == ["/within"]


def test_abandoned_requests_are_counted(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    capturing = recording.recorder.begin(head_of(), recording.now)
    assert capturing is not None
    recording.recorder.abandon(capturing)
    recording.request(head_of(host=b""))
    assert recording.end() == []
    assert recording.counts == {"incomplete": 1, "unusable": 1}
    assert recording.summary.dropped == {"incomplete": 1, "unusable": 1}


class Stuck:
    """Segments on a disk that blocks until the test releases it."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def write(self, lines: bytes, begin_s: float) -> None:
        assert self.go.wait(20)

    def remove_old(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_stuck_disk_bounds_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()
    monkeypatch.setattr(module, "Segments", lambda *arguments: stuck)
    recording = Recording(tmp_path, queue_bytes=20_000, max_body_bytes=1000)
    for _ in range(1000):
        recording.request()
        recording.now += 1
        recording.recorder.tick()
    recorder = recording.recorder
    dropped = recording.counts["queue_full"]
    assert dropped > 700
    assert recorder._held_bytes <= 20_000
    head = head_of()
    head.framing = LENGTH
    recording.request(head, (b"x" * 900,) * 9)
    stuck.go.set()
    recorder.stop(20)
    assert recorder._held_bytes == 0
    assert recording.counts[""] + recording.counts["queue_full"] == 1001


def test_a_disk_that_fails_is_counted_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    recording = Recording(folder)
    for _ in range(3):
        recording.request()
        recording.now += 2
        recording.recorder.tick()
    while recording.counts["disk"] < 3:  # the thread has taken every record
        recording.recorder.tick()
    folder.unlink()
    recording.request()
    assert len(recording.end()) == 1
    assert recording.counts == {"disk": 3, "": 1}
    assert recording.summary.dropped == {"disk": 3}
    assert len([line for line in caplog.messages if "cannot be written" in line]) == 1


def test_segments_grow_old_without_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMOVE_INTERVAL_S", 0.01)
    old = tmp_path / f"old{SUFFIX}"
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    recorder = Recording(tmp_path, enabled=False).recorder
    deadline = time.monotonic() + 20
    while old.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    recorder.stop(10)


SECRET = st.text("abcdefghij0123456789", min_size=8, max_size=20).map(lambda text: "S3CR" + text)


@settings(max_examples=25)
@given(SECRET, SECRET, SECRET, st.booleans())
def test_no_secret_reaches_the_disk(
    tmp_path_factory: pytest.TempPathFactory, one: str, two: str, three: str, has_key: bool
) -> None:
    folder = tmp_path_factory.mktemp("capture")
    key = folder / "key"
    key.write_bytes(b"0123456789abcdef")
    recording = Recording(folder / "c", key_file=str(key) if has_key else None)
    fields = (
        f"Authorization: Bearer {one}\r\nCOOKIE: sid={two}; a={three}\r\nX-Api-Key: {two}\r\n"
        f"Referer: https://a/?token={three}\r\n"
    )
    recording.request(head_of(f"/a?tok%65n={one}&b=1".encode(), fields=fields.encode()))
    recording.end()
    (path,) = (folder / "c").iterdir()
    text = b"\n".join(read_lines(path))
    assert b"S3CR" not in text
    assert b"b=1" in text
    assert recording.summary.redacted == 5


def test_what_a_request_costs_is_given_back(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recorder = recording.recorder
    begun = [recorder.begin(head_of(), recording.now) for _ in range(3)]
    assert recorder._held_bytes == 3 * RECORD_BYTES
    for capturing in begun:
        assert capturing is not None
        recorder.abandon(capturing)
    assert recorder._held_bytes == 0
    recorder.stop(10)
