"""Checks that the counts of a sidecar become observations, from a file and from its port."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from estimator.errors import InputError, Refused
from estimator.requests.uris import observations_of, observe_uris
from mirror.formats.uri_counts import FORMAT, VERSION, UriCount, UriCounts, to_json
from tests.fakes import free_port

ENTRIES = [
    UriCount("a.example", "GET", "/item/{number}", ["page", "q"], 60, 100, 200, is_shape=True),
    UriCount("a.example", "POST", "/b\xc3\xa4", [], 30, 150, 160, outcomes={"2xx": 20, "5xx": 9}),
    UriCount("*", "*", "/{id}/redacted", [], 10, 120, 120),
]


def document(**changes: Any) -> UriCounts:
    keys: dict[str, Any] = {
        **{"format": FORMAT, "version": VERSION, "instance": "a", "mode": "sink"},
        **{"since_s": 90, "until_s": 210, "most": 3, "seen": 100, "not_kept": 0, "waiting": 0},
        **{"lost": 0, "missing_most": 0, "uris": ENTRIES},
    }
    return UriCounts(**{**keys, **changes})


def test_entries_become_observations() -> None:
    found = observations_of(document(), "URIs")
    shape, plain, odd = found.items
    assert shape.request.target == "/item/1?page=&q="
    assert shape.request.unknown_parameters == {"page", "q"}
    assert (shape.request.authority, shape.request.headers) == ("a.example", None)
    assert (shape.count, shape.first_s, shape.last_s, shape.is_sample) == (60, 100, 200, True)
    assert (plain.request.method, plain.request.target) == ("POST", "/bä")
    assert (plain.statuses, plain.is_sample) == ({200: 20, 500: 9}, False)
    assert (odd.request.method, odd.request.target) == ("", "/{id}/redacted")
    assert (odd.request.authority, odd.is_sample) == ("", True)
    assert (found.count, found.seconds) == (100, (100, 200))
    assert (found.left_out, found.doubts) == ({}, ())
    assert found.notes[0].startswith("60 requests are added up under 1 shapes")


def test_classes_of_answers_are_said() -> None:
    notes = observations_of(document(mode="inline"), "URIs").notes
    assert notes[-1] == "the sidecar knows the class of an answer only: 200 stands for 2xx"


@pytest.mark.parametrize(("not_kept", "is_doubt"), [(4, False), (20, True)])
def test_requests_without_an_entry_are_said(not_kept: int, is_doubt: bool) -> None:
    counts = {"seen": 102 + not_kept, "not_kept": not_kept, "waiting": 1, "lost": 1}
    found = observations_of(document(**counts, missing_most=7), "URIs")
    assert sum(found.left_out.values()) == not_kept + 2
    said = [each for each in (*found.notes, *found.doubts) if "are in no entry" in each]
    assert said[0].startswith(f"{not_kept + 1} of {102 + not_kept} requests")
    assert (said[0] in found.doubts) is is_doubt


def test_a_file_is_read_and_what_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "uris.json"
    path.write_bytes(to_json(document()))
    assert observe_uris(str(path)).source == f"URI counts {path}"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"uris\.json: format: expected kagami-uri-counts"):
        observe_uris(str(path))
    with pytest.raises(InputError, match="no such file"):
        observe_uris(str(tmp_path / "none"))
    path.write_bytes(to_json(document(seen=0, uris=[])))
    with pytest.raises(Refused, match="holds no URI; 0 requests were seen"):
        observe_uris(str(path))


class FakeSidecar(ThreadingHTTPServer):
    """Answers /uris with `reply`."""

    reply: tuple[int, bytes] = (200, b"")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, FakeSidecar)
        status, body = self.server.reply if self.path == "/uris" else (404, b"")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/", "/uris"])
def test_a_running_sidecar_is_asked(sidecar: FakeSidecar, path: str) -> None:
    sidecar.reply = (200, to_json(document()))
    url = f"http://127.0.0.1:{sidecar.server_port}{path}"
    found = observe_uris(url)
    assert (found.count, found.source) == (100, f"URIs of the sidecar at {url}")


def test_a_sidecar_without_counts_is_refused(sidecar: FakeSidecar) -> None:
    sidecar.reply = (404, b"")
    with pytest.raises(Refused, match="answered 404 at /uris"):
        observe_uris(f"http://127.0.0.1:{sidecar.server_port}")
    sidecar.reply = (200, b"<html>")
    with pytest.raises(InputError, match="expected the JSON that a sidecar serves"):
        observe_uris(f"http://127.0.0.1:{sidecar.server_port}")


def test_nobody_there_is_refused_and_a_wrong_url_named() -> None:
    with pytest.raises(Refused, match="cannot be reached"):
        observe_uris(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match="--from-uris: expected a URL such as"):
        observe_uris("ftp://127.0.0.1/uris")
    with pytest.raises(InputError, match="--from-uris: holds a login"):
        observe_uris("http://user:password@127.0.0.1/uris")
