"""Checks what is said of the shadow's answers, on a server that answers by path and Host."""

import asyncio
import contextlib
from collections.abc import Mapping
from email.utils import formatdate

import pytest

from mirror.preflight.findings import Finding
from mirror.preflight.probe import Answer
from mirror.preflight.shadow import MOST_ROUTES, Shadow, examine_entry, examine_routes, example_path
from mirror.proxy.upstream.origins import shadow_origin
from tests.fakes import make_config

BEHIND = "server: istio-envoy\r\nx-envoy-upstream-service-time: 1\r\n"
OWN = "server: istio-envoy\r\n"
HOST = "www.example.com"
ACCEPTED = ("istio-envoy", "envoy")

Answers = Mapping[tuple[str, str], tuple[int, str]]
"""Path and Host to status and header fields; `*` stands for any."""


def examined(
    answers: Answers, routes: list[str], host: str | None = HOST
) -> tuple[list[Finding], list[str]]:
    """Return the findings, and the requests that the server got."""
    requests: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            requests.append(head)
            path = head.split(" ")[1]
            asked = head.partition("Host: ")[2].partition("\r\n")[0]
            status, fields = next(
                answers[key]
                for key in ((path, asked), (path, "*"), ("*", asked), ("*", "*"))
                if key in answers
            )
            if status:
                writer.write(f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode())
                await writer.drain()
        writer.close()

    async def main() -> list[Finding]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            config = make_config(shadow=server.sockets[0].getsockname()[1], routes=routes)
            shadow = Shadow(config, shadow_origin(config), ACCEPTED, 5.0, host)
            root = await shadow.ask()
            found = await examine_entry(shadow, root)
            return [*found, *await examine_routes(shadow, root)]

    return asyncio.run(main()), requests


def codes(found: list[Finding]) -> list[str]:
    return [finding.code.removeprefix("shadow.") for finding in found]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/a", "/a"),
        ("/watch/{id}", "/watch/1"),
        ("/u/{user}/p/{post}", "/u/1/p/1"),
        ("/api/*", "/api/"),
        ("/", "/"),
    ],
)
def test_a_template_has_an_example(template: str, path: str) -> None:
    assert example_path(template) == path


def test_every_route_is_asked_once_and_marked() -> None:
    found, requests = examined({("*", "*"): (200, BEHIND)}, ["/a", "/watch/{id}", "/"])
    assert codes(found) == ["accepted"]
    asked = sorted(request.split("\r\n")[0] for request in requests)
    # The last one asks with the number of the port.
    assert asked == ["HEAD / HTTP/1.1"] * 2 + ["HEAD /a HTTP/1.1", "HEAD /watch/1 HTTP/1.1"]
    assert all("X-Mirror-Leg: probe\r\n" in request for request in requests)


def test_a_route_miss_is_told_from_the_applications_404() -> None:
    answers = {
        ("/", "*"): (200, BEHIND),
        ("/a", "*"): (404, OWN),
        ("/b", "*"): (404, BEHIND),
        ("/c", "*"): (503, BEHIND),
    }
    found, _ = examined(answers, ["/a", "/b", "/c"])
    assert codes(found) == ["accepted", "route_miss", "app_not_found", "app_error"]
    assert found[1].where.endswith("/a") and found[1].severity == "warning"
    assert found[1].what == f"404 from the Envoy itself to HEAD /a with Host {HOST}."
    assert found[2].severity == "note"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "redirect"),
        (302, "redirect"),
        (401, "denied"),
        (403, "denied"),
        (429, "rate_limited"),
        (503, "no_healthy_pod"),
        (504, "own_error"),
        (426, "http10"),
    ],
)
def test_each_answer_of_the_envoy_itself_has_its_code(status: int, code: str) -> None:
    answers = {("/", "*"): (204, BEHIND), ("/a", "*"): (status, OWN)}
    found, _ = examined(answers, ["/a"])
    assert codes(found) == ["accepted", code]
    # The application may answer any of them.
    found, _ = examined({**answers, ("/a", "*"): (status, BEHIND)}, ["/a"])
    assert codes(found)[1:] == (["app_error"] if status >= 500 else [])


@pytest.mark.parametrize("status", [405, 501])
def test_an_application_without_head_is_no_error(status: int) -> None:
    found, _ = examined({("/", "*"): (204, BEHIND), ("/a", "*"): (status, BEHIND)}, ["/a"])
    assert codes(found) == ["accepted", "head_not_supported"] and found[1].severity == "note"
    assert found[1].what == f"The application answers {status} to HEAD /a with Host {HOST}."


def test_another_server_behind_the_same_port_is_refused() -> None:
    answers = {("/", "*"): (200, BEHIND), ("/a", "*"): (200, "server: nginx\r\n")}
    found, _ = examined(answers, ["/a"])
    assert codes(found) == ["accepted", "log_nginx"] and found[1].severity == "refused"


def test_suppressed_headers_make_a_404_undecided() -> None:
    answers = {("/", "*"): (200, OWN), ("/a", "*"): (404, OWN), ("/b", "*"): (302, OWN)}
    found, _ = examined(answers, ["/a", "/b"])
    assert codes(found) == ["accepted", "headers_suppressed", "not_found_by_whom", "redirect"]
    assert found[2].severity == "unknown"
    assert found[3].what.startswith("302 from the Envoy or the application to HEAD /b")


def test_without_a_host_of_production_a_miss_says_nothing() -> None:
    found, requests = examined({("*", "*"): (404, OWN)}, ["/a"], host=None)
    assert codes(found) == ["accepted", "host_not_known"]
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("plain", "numbered", "code"),
    [
        ((200, BEHIND), (404, OWN), ["host_without_port"]),
        ((404, OWN), (200, BEHIND), ["route_miss", "route_miss", "host_with_port"]),
        ((404, OWN), (404, OWN), ["route_miss", "route_miss"]),
        ((404, BEHIND), (404, BEHIND), ["app_not_found", "app_not_found"]),
        ((200, BEHIND), (0, ""), []),  # cut: nothing can be said
    ],
)
def test_the_number_of_the_port_in_host_is_tried(
    plain: tuple[int, str], numbered: tuple[int, str], code: list[str]
) -> None:
    found, requests = examined({("*", HOST): plain, ("*", "*"): numbered}, ["/a"])
    assert codes(found)[1:] == code
    assert requests[-1].count(f"Host: {HOST}:") == 1


def test_the_number_of_questions_is_bounded() -> None:
    routes = [f"/{index}" for index in range(MOST_ROUTES + 5)]
    found, requests = examined({("*", "*"): (200, BEHIND)}, routes)
    assert len(requests) == MOST_ROUTES + 2
    assert codes(found) == ["accepted", "routes_not_asked"]
    assert f"{MOST_ROUTES} of {MOST_ROUTES + 5} routes" in found[-1].what


def test_clocks_apart_and_a_cut_connection_are_found() -> None:
    late = f"{BEHIND}date: {formatdate(0, usegmt=True)}\r\n"
    found, _ = examined({("*", "*"): (200, late)}, [])
    assert [finding.code for finding in found] == ["shadow.accepted", "host.clock_differs"]

    async def main() -> list[Finding]:
        async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
            config = make_config(shadow=server.sockets[0].getsockname()[1])
            shadow = Shadow(config, shadow_origin(config), ACCEPTED, 5.0)
            root: Answer = await shadow.ask()
            return await examine_entry(shadow, root)

    (finding,) = asyncio.run(main())
    assert (finding.code, finding.severity) == ("shadow.mtls", "unknown")
