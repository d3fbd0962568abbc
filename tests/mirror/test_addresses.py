"""Checks every spelling of an address, and the errors for invalid ones."""

import pytest

from mirror.addresses import (
    FileAddress,
    TcpAddress,
    UdpAddress,
    UnixAddress,
    Url,
    read_agent_address,
    read_listen_address,
    read_log_address,
    read_tcp_address,
    read_url,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:3000", Url("127.0.0.1", 3000)),
        ("http://app", Url("app", 80)),
        ("http://app/", Url("app", 80)),
        ("HTTP://App:1", Url("app", 1)),
        ("http://[::1]:3000", Url("::1", 3000)),
        ("https://app", Url("app", 443, is_tls=True)),
        ("https://app:8443", Url("app", 8443, is_tls=True)),
        ("unix:run/app.sock", Url("run/app.sock", 0)),
        ("unix:///run/app.sock", Url("/run/app.sock", 0)),
    ],
)
def test_url_is_an_origin(url: str, expected: Url) -> None:
    assert read_url(url) == expected


def test_addresses_are_shown_as_they_are_written() -> None:
    assert str(TcpAddress("127.0.0.1", 80)) == "127.0.0.1:80"
    assert str(TcpAddress("::1", 80)) == "[::1]:80"
    assert str(UnixAddress("run/a.sock")) == "unix:run/a.sock"
    assert str(UdpAddress("::1", 514)) == "udp://[::1]:514"
    assert str(FileAddress("/var/log/a.log")) == "file:/var/log/a.log"
    assert str(Url("::1", 80)) == "http://[::1]:80"
    assert str(Url("app", 443, is_tls=True)) == "https://app:443"
    assert str(Url("run/app.sock", 0)) == "unix:run/app.sock"


@pytest.mark.parametrize(
    "text",
    [
        *("ftp://a", "a:1", "http://", "http://a/path", "http://a?q", "http://u@a", "http://a:0"),
        *("http://a:x", "http://a b", "unix:", "http://[::1", 80, None),
    ],
)
def test_what_is_no_origin_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a URL such as"):
        read_url(text)


def test_listeners_are_sockets_or_ports() -> None:
    assert read_listen_address("unix:run/a.sock") == UnixAddress("run/a.sock")
    assert read_listen_address("[::1]:80") == TcpAddress("::1", 80)
    for text in ("unix:", "80", "a:65536", 80):
        with pytest.raises(ValueError, match="an address such as"):
            read_listen_address(text)


def test_the_admin_port_is_no_socket_file() -> None:
    assert read_tcp_address("127.0.0.1:9911") == TcpAddress("127.0.0.1", 9911)
    for text in ("unix:a.sock", "127.0.0.1", None):
        with pytest.raises(ValueError, match="an address such as"):
            read_tcp_address(text)


def test_the_agent_is_an_ip_or_a_path() -> None:
    assert read_agent_address("udp://127.0.0.1:8125") == TcpAddress("127.0.0.1", 8125)
    assert read_agent_address("unix:///run/dsd.socket") == UnixAddress("/run/dsd.socket")
    for text in ("udp://agent:8125", "tcp://127.0.0.1:1", "unix://relative", 8125):
        with pytest.raises(ValueError, match="udp://IP:PORT"):
            read_agent_address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("udp://127.0.0.1:5514", UdpAddress("127.0.0.1", 5514)),
        ("udp://[::1]:5514", UdpAddress("::1", 5514)),
        ("unix:/run/mirror/log.sock", UnixAddress("/run/mirror/log.sock")),
        ("unix:///run/mirror/log.sock", UnixAddress("/run/mirror/log.sock")),
        ("file:/var/log/nginx/access.log", FileAddress("/var/log/nginx/access.log")),
        ("file:///var/log/nginx/access.log", FileAddress("/var/log/nginx/access.log")),
        ("file:access.log", FileAddress("access.log")),
    ],
)
def test_a_log_is_a_datagram_socket_or_a_file(text: str, expected: object) -> None:
    assert read_log_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("/var/log/a", "unix:", "file:", "file://", "udp://localhost:1", "udp://127.0.0.1"),
        *("tcp://127.0.0.1:1", "udp:127.0.0.1:1", "", 5514, None),
    ],
)
def test_what_is_no_source_of_a_log_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="udp://IP:PORT, unix:PATH or file:PATH"):
        read_log_address(text)
