"""Checks that the counts of a sidecar become observations, from a file and from its port."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from estimator.errors import InputError, Refused
from estimator.requests.asked import Asked
from estimator.requests.uris import observations_of, observe_uris
from mirror.addresses import TcpAddress
from mirror.admin.server import Admin, Answers, Document
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
    found = observations_of(document(), "URIs", Asked())
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


def test_behind_a_name_that_was_not_kept_may_be_any() -> None:
    entry = UriCount("a", "GET", "/a", ["*", "q"], 1, 5, 5)
    changes = document(seen=1, uris=[entry])
    (item,) = observations_of(changes, "URIs", Asked(parameters=frozenset({"v"}))).items
    assert item.request.target == "/a?q="
    assert item.request.unknown_parameters == {"q", "v"}


def test_classes_of_answers_are_said() -> None:
    notes = observations_of(document(mode="inline"), "URIs", Asked()).notes
    assert "the sidecar knows the class of an answer only: 200 stands for 2xx" in notes


@pytest.mark.parametrize(("not_kept", "is_doubt"), [(4, False), (20, True)])
def test_requests_without_an_entry_are_said(not_kept: int, is_doubt: bool) -> None:
    counts = {"seen": 102 + not_kept, "not_kept": not_kept, "waiting": 1, "lost": 1}
    found = observations_of(document(**counts, missing_most=7), "URIs", Asked())
    assert sum(found.left_out.values()) == not_kept + 2
    said = [each for each in (*found.notes, *found.doubts) if "are in no entry" in each]
    assert said[0].startswith(f"{not_kept + 1} of {102 + not_kept} requests")
    assert (said[0] in found.doubts) is is_doubt


def test_a_file_is_read_and_what_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "uris.json"
    path.write_bytes(to_json(document()))
    assert observe_uris(str(path), Asked()).source == f"URI counts {path}"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"uris\.json: format: expected kagami-uri-counts"):
        observe_uris(str(path), Asked())
    with pytest.raises(InputError, match="no such file"):
        observe_uris(str(tmp_path / "none"), Asked())
    path.write_bytes(to_json(document(seen=0, uris=[])))
    with pytest.raises(Refused, match="holds no URI; 0 requests were seen"):
        observe_uris(str(path), Asked())


@contextmanager
def sidecar(page: bytes | None) -> Iterator[str]:
    """Serve this page at /uris of a real admin port; yield its URL."""
    address = TcpAddress("127.0.0.1", free_port())
    started, ended = Event(), asyncio.Event()

    async def serve() -> None:
        uris = Document(lambda: page, "URIs are not counted: uris.most is 0")
        answers = (lambda: (True, ""), dict, lambda accept: (b"", "text/plain"))
        admin = Admin(Answers(*answers, documents={"/uris": uris}))
        await admin.start(address)
        started.set()
        await ended.wait()
        await admin.stop()

    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(10)
        yield f"http://{address}"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def test_a_running_sidecar_is_asked() -> None:
    with sidecar(to_json(document())) as url:
        for path in ("", "/", "/uris"):
            found = observe_uris(url + path, Asked())
            assert (found.count, found.source) == (100, f"URIs of the sidecar at {url}{path}")


def test_a_sidecar_without_counts_is_refused() -> None:
    with sidecar(None) as url:
        with pytest.raises(Refused, match="answered 404 at /uris: URIs are not counted"):
            observe_uris(url, Asked())
        with pytest.raises(Refused, match="answered 404 at /uris. Expected the admin port"):
            observe_uris(f"{url}/other", Asked())
    with sidecar(b"<html>") as url, pytest.raises(InputError, match="expected the JSON that"):
        observe_uris(url, Asked())


def test_nobody_there_is_refused_and_a_wrong_url_named() -> None:
    with pytest.raises(Refused, match="cannot be reached"):
        observe_uris(f"http://127.0.0.1:{free_port()}", Asked())
    with pytest.raises(InputError, match="--from-uris: expected a URL such as"):
        observe_uris("ftp://127.0.0.1/uris", Asked())
    with pytest.raises(InputError, match="--from-uris: holds a login"):
        observe_uris("http://user:password@127.0.0.1/uris", Asked())
