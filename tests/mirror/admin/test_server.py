"""Checks the responses of the admin port; the error for a port in use names the port."""

import asyncio
import contextlib
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mirror.addresses import TcpAddress
from mirror.admin import server
from mirror.admin import viewers as viewers_module
from mirror.admin.live import Live, Sources
from mirror.admin.server import Admin, Answers, Document
from mirror.admin.viewers import MOST_VIEWERS
from mirror.core.ledger import Settled
from mirror.demo.processes import free_ports
from mirror.errors import ListenError
from tests.mirror.admin.test_live import SHOWN
from tests.mirror.admin.test_verdict import STATUS


def free_address() -> TcpAddress:
    return TcpAddress("127.0.0.1", *free_ports(1))


def metrics(accept: str) -> tuple[bytes, str]:
    return f"for {accept}\n".encode(), "text/plain; charset=utf-8"


def change(body: Mapping[str, Any]) -> dict[str, Any]:
    if "ratio" not in body:
        raise ValueError("ratio: expected a number")
    return {"was": 1, "ratio": body["ratio"]}


def make_admin(why_not_ready: str = "") -> Admin:
    readiness = (not why_not_ready, why_not_ready or "ready")
    status = {"ledger": {"seen": 3}}
    return Admin(Answers(lambda: readiness, lambda: status, metrics, {"/ratio": change}))


async def answers(why_not_ready: str) -> dict[str, tuple[int, str]]:
    address = free_address()
    admin = make_admin(why_not_ready)
    await admin.start(address)
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            found = {}
            for path in ("/healthz", "/readyz", "/status", "/metrics", "/other"):
                async with session.get(path, headers={"Accept": "text/x"}) as response:
                    found[path] = (response.status, await response.text())
            return found
    finally:
        await admin.stop()


def test_a_ready_sidecar_says_so() -> None:
    got = asyncio.run(answers(""))
    assert got["/healthz"] == (200, "ok\n")
    assert got["/readyz"] == (200, "ready\n")
    assert got["/status"] == (200, '{"ledger": {"seen": 3}}')
    assert got["/metrics"] == (200, "for text/x\n")
    assert got["/other"][0] == 404


def test_without_a_worker_it_is_alive_but_not_ready() -> None:
    got = asyncio.run(answers("no worker is ready"))
    assert got["/healthz"][0] == 200
    assert got["/readyz"] == (503, "no worker is ready\n")


def test_a_taken_admin_port_is_named() -> None:
    async def start_twice(address: TcpAddress) -> None:
        await make_admin().start(address)

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = TcpAddress("127.0.0.1", server.getsockname()[1])
        with pytest.raises(
            ListenError, match=rf"admin {address}: Address .* in use, by .*pid {os.getpid()}\)"
        ):
            asyncio.run(start_twice(address))


async def post(body: str, headers: dict[str, str], host: str = "127.0.0.1", **flags: bool) -> Any:
    address = TcpAddress(host, free_address().port)
    admin = make_admin()
    admin.trust.allow(flags.get("allows_writes", False))
    await admin.start(address)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://127.0.0.1:{address.port}/ratio",
                data=body,
                headers={"Content-Type": "application/json", **headers},
            ) as response,
        ):
            return response.status, await response.json()
    finally:
        await admin.stop()


def test_a_change_is_answered_with_what_was_and_is() -> None:
    got = asyncio.run(post('{"ratio": 0.1}', {}))
    assert got == (200, {"was": 1, "ratio": 0.1})


@pytest.mark.parametrize("body", ["", "[]", "{", "{}", "[" * 3000])
def test_a_change_that_makes_no_sense_says_what_was_expected(body: str) -> None:
    status, answer = asyncio.run(post(body, {}))
    assert status == 400 and answer["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Host": "rebound.example:80"},
    ],
)
def test_a_web_page_can_change_nothing(headers: dict[str, str]) -> None:
    status, _ = asyncio.run(post('{"ratio": 0.1}', headers))
    assert status == 403


def test_beyond_loopback_nothing_is_changed_unless_allowed() -> None:
    status, answer = asyncio.run(post('{"ratio": 0.1}', {}, host="0.0.0.0"))
    assert status == 403 and "admin_writes" in answer["error"]
    status, _ = asyncio.run(post('{"ratio": 0.1}', {}, host="0.0.0.0", allows_writes=True))
    assert status == 200


# --- the URIs ---


def with_uris(make: Callable[[], bytes | None]) -> Answers:
    uris = Document(make, "URIs are not counted: uris.most is 0")
    return Answers(lambda: (True, ""), dict, metrics, documents={"/uris": uris})


async def uris(
    page: bytes | None, headers: dict[str, str] | None = None, times: int = 1
) -> tuple[int, bytes, int]:
    """Return the last answer to some readers, and how often the page was made for them."""
    address = free_address()
    made: list[int] = []

    def make() -> bytes | None:
        made.append(1)
        return page

    admin = Admin(with_uris(make))
    await admin.start(address)
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            for _ in range(times):
                async with session.get("/uris", headers=headers) as response:
                    answer = await response.read()
            return response.status, answer, len(made)
    finally:
        await admin.stop()


def test_uris_are_answered_whole_and_made_once_for_many_readers() -> None:
    page = b"0123456789" * 100_000
    assert asyncio.run(uris(page, times=3)) == (200, page, 1)


def test_uris_that_are_not_counted_are_no_page() -> None:
    status, answer, _ = asyncio.run(uris(None))
    assert status == 404 and b"uris.most is 0" in answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Host": "rebound.example:80"},
    ],
)
def test_a_web_page_can_read_no_uris(headers: dict[str, str]) -> None:
    status, answer, made = asyncio.run(uris(b"{}", headers))
    assert (status, made) == (403, 0) and b"error" in answer


@pytest.mark.parametrize(("allows_writes", "status"), [(False, 403), (True, 200)])
def test_other_hosts_read_no_uris_unless_allowed(allows_writes: bool, status: int) -> None:
    class ElsewhereAdmin(Admin):
        async def _show_document(self, request: web.Request) -> web.StreamResponse:
            return await super()._show_document(request.clone(remote="192.0.2.1"))

    async def ask() -> int:
        address = free_address()
        admin = ElsewhereAdmin(with_uris(lambda: b"{}"))
        admin.trust.allow(allows_writes)
        await admin.start(address)
        try:
            async with (
                aiohttp.ClientSession(f"http://{address}") as session,
                session.get("/uris") as response,
            ):
                return response.status
        finally:
            await admin.stop()

    assert asyncio.run(ask()) == status


# --- the live page ---


def make_live() -> Live:
    return Live(Sources(lambda: STATUS | SHOWN, dict, lambda: (), lambda: None))


def with_page(live: Live) -> Answers:
    changes = {"/ratio": change}
    return Answers(lambda: (True, ""), lambda: STATUS | SHOWN, metrics, changes, live=live)


@contextlib.asynccontextmanager
async def page_of(live: Live) -> AsyncIterator[tuple[Admin, aiohttp.ClientSession, str]]:
    """Serve the page of `live`; yield the port, a client, and the origin of the page."""
    address, admin = free_address(), Admin(with_page(live))
    await admin.start(address)
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            yield admin, session, f"http://{address}"
    finally:
        await admin.stop()


def proof_of(page: str) -> dict[str, str]:
    """Return the field with which a page proves that we served it."""
    ((secret, header),) = re.findall(r'data-secret="([^"]+)" data-header="([^"]+)"', page)
    return {header: secret}


async def read_event(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Return the next event."""
    name, data = [await response.content.readline() for _ in range(3)][:2]
    return {name.decode().strip().removeprefix("event: "): json.loads(data[len(b"data: ") :])}


def test_the_page_gets_an_event_for_each_second() -> None:
    async def main() -> None:
        live = make_live()
        async with page_of(live) as (admin, session, origin):
            async with session.get("/") as response:
                page = await response.text()
                assert "script-src 'sha256-" in response.headers["Content-Security-Policy"]
            fields = proof_of(page) | {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
            async with session.get("/events", headers=fields) as response:
                assert response.headers["Content-Type"] == "text/event-stream"
                first = [await read_event(response) for _ in range(3)]
                assert [list(each) for each in first] == [["now"], ["hour"], ["examples"]]
                assert first[2]["examples"]["refused"] is None
                live.add(Settled(1_800_000_000, {}, {"/": 3}, {}, False, True))
                admin.viewers.publish()
                assert (await read_event(response))["now"]["rps"] == {"/": 3}
                assert admin.viewers.number == 1

    asyncio.run(main())


def test_a_stranger_sees_no_events_and_a_rebound_name_no_page() -> None:
    async def main() -> None:
        async with page_of(make_live()) as (_, session, _origin):
            page = await (await session.get("/")).text()
            for headers in ({}, proof_of(page) | {"Origin": "http://evil.example"}):
                async with session.get("/events", headers=headers) as response:
                    assert response.status == 403
            rebound = {"Host": "rebound.example:80"}
            for path in ("/", "/events"):
                async with session.get(path, headers=proof_of(page) | rebound) as response:
                    assert response.status == 403 and b"data-secret" not in await response.read()

    asyncio.run(main())


def test_our_page_may_change_the_ratio_and_another_may_not() -> None:
    async def main() -> list[int]:
        async with page_of(make_live()) as (_, session, origin):
            page = await (await session.get("/")).text()
            ours = proof_of(page) | {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
            statuses = []
            for headers in (ours, ours | {"Origin": "http://evil.example"}, {"Origin": origin}):
                async with session.post("/ratio", json={"ratio": 1}, headers=headers) as response:
                    statuses.append(response.status)
            return statuses

    assert asyncio.run(main()) == [200, 403, 403]


def test_viewers_on_other_hosts_get_no_examples() -> None:
    class ElsewhereAdmin(Admin):
        async def _show_events(self, request: web.Request) -> web.StreamResponse:
            return await super()._show_events(request.clone(remote="192.0.2.1"))

    async def main() -> None:
        address, admin = free_address(), ElsewhereAdmin(with_page(make_live()))
        await admin.start(address)
        try:
            async with aiohttp.ClientSession(f"http://{address}") as session:
                page = await (await session.get("/")).text()
                async with session.get("/events", headers=proof_of(page)) as response:
                    events = [await read_event(response) for _ in range(3)]
        finally:
            await admin.stop()
        assert "only this host" in events[2]["examples"]["refused"]

    asyncio.run(main())


def test_a_viewer_stays_longer_than_other_connections() -> None:
    async def main() -> None:
        async with page_of(make_live()) as (admin, session, _):
            page = await (await session.get("/")).text()
            other = await asyncio.open_connection(*admin_of(admin))
            async with session.get("/events", headers=proof_of(page)) as response:
                assert "now" in await read_event(response)
                deadlines = [connection._deadline for connection in admin._open]
                assert sorted(each is not None and each.cancelled() for each in deadlines) == [
                    *(False, True)
                ]
            other[1].close()

    asyncio.run(main())


def admin_of(admin: Admin) -> tuple[str, int]:
    address = admin.trust.address
    assert address is not None
    return address.host, address.port


def test_too_many_viewers_are_told_so_until_one_goes() -> None:
    async def main() -> None:
        async with (
            page_of(make_live()) as (admin, session, _),
            contextlib.AsyncExitStack() as seats,
        ):
            fields = proof_of(await (await session.get("/")).text())
            viewers = [
                await seats.enter_async_context(session.get("/events", headers=fields))
                for _ in range(MOST_VIEWERS)
            ]
            async with session.get("/events", headers=fields) as response:
                assert response.status == 503
                assert "8 pages are open" in (await response.json())["error"]
            viewers[0].close()
            while admin.viewers.number == MOST_VIEWERS:
                await asyncio.sleep(0)
            async with session.get("/events", headers=fields) as response:
                assert response.status == 200

    asyncio.run(main())


def test_a_viewer_that_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        live = make_live()
        async with page_of(live) as (admin, session, _):
            fields = proof_of(await (await session.get("/")).text())
            with socket.socket() as viewer:
                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                viewer.connect(admin_of(admin))
                head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
                viewer.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode())
                written, was_there = 0, False
                while admin.viewers.number or not was_there:
                    was_there |= bool(admin.viewers.number)
                    live.add(Settled(1_800_000_000, {}, {"r" * 2000: 1}, {}, False, True))
                    written += len(live.newest()[0]) * was_there
                    admin.viewers.publish()
                    await asyncio.sleep(0.001)
        return written

    monkeypatch.setattr(viewers_module, "LONGEST_WRITE_S", 0.02)
    assert asyncio.run(main()) < 2 << 20


# --- what one connection may take ---


async def received(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""


def answer_to(sent: bytes) -> bytes:
    """Return what the admin port answers to these bytes before it closes the connection."""

    async def main() -> bytes:
        address, admin = free_address(), make_admin()
        await admin.start(address)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(sent)
        try:
            return await received(reader)
        finally:
            writer.close()
            await admin.stop()

    return asyncio.run(main())


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: h\r\nA: "])
def test_a_head_that_does_not_end_is_cut(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(server, "_LONGEST_CONNECTION_S", 0.05)
    assert answer_to(sent) == b""


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA\r\n\r\n"])
def test_a_stranger_cannot_fill_the_log(caplog: pytest.LogCaptureFixture, sent: bytes) -> None:
    assert b" 400 Bad Request" in answer_to(sent)
    assert caplog.text == ""


def test_an_error_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        address = free_address()
        admin = Admin(Answers(lambda: (True, ""), lambda: {"a": 1 / 0}, metrics))
        await admin.start(address)
        async with (
            aiohttp.ClientSession(f"http://{address}") as session,
            session.get("/status") as response,
        ):
            assert response.status == 500
        await admin.stop()

    asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text


def test_connections_beyond_the_most_are_refused_until_one_ends() -> None:
    async def main() -> None:
        address, admin = free_address(), make_admin()
        await admin.start(address)

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            answer = await received(reader)
            writer.close()
            return answer

        silent = [
            await asyncio.open_connection(address.host, address.port)
            for _ in range(server.MOST_CONNECTIONS)
        ]
        assert await ask() == b""
        silent[0][1].close()
        while len(admin._open) == server.MOST_CONNECTIONS:
            await asyncio.sleep(0)
        answer = await ask()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nok\n")
        assert b"Connection: close\r\n" in answer
        for _, writer in silent:
            writer.close()
        await admin.stop()

    asyncio.run(main())
