import resource
import subprocess
import sys

import pytest

from mirror.addresses import read_url
from mirror.formats.capture.record import Record
from mirror.replay.readiness import (
    SPARE_DESCRIPTORS,
    allow_descriptors,
    credentials_sent,
    is_public,
    public_address,
)
from mirror.replay.requests import RequestList, Rules

# Limits cannot be raised again, so they are changed in a process of their own.
LIMITED = """
import resource
from mirror.replay.readiness import allow_descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
allow_descriptors(100)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
allow_descriptors(193)
"""


def test_soft_limit_is_raised_up_to_the_hard_one() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True)
    assert done.stdout == f"{100 + SPARE_DESCRIPTORS}\n"
    assert "this process may open 256 descriptors (ulimit -Hn), 257 are needed" in done.stderr


def test_a_high_limit_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(resource, "setrlimit", unexpected)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1000, 1000))
    allow_descriptors(1000 - SPARE_DESCRIPTORS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.7.7", False),
        ("100.64.0.1", False),  # between a provider and its customers
        ("169.254.169.254", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.1", False),
        ("8.8.8.8", True),
        ("172.32.0.1", True),
        ("2606:4700::1", True),
        ("::ffff:8.8.8.8", True),
    ],
)
def test_what_the_internet_routes_is_public(text: str, expected: bool) -> None:
    assert is_public(text) == expected


def test_targets() -> None:
    assert public_address(read_url("http://8.8.8.8:80")) == "8.8.8.8"
    assert public_address(read_url("http://[2606:4700::1]:80")) == "2606:4700::1"
    assert public_address(read_url("http://127.0.0.1:80")) is None
    assert public_address(read_url("http://localhost:80")) is None
    assert public_address(read_url("unix:/run/app.sock")) is None
    # A name that does not exist, by RFC 2606.
    assert public_address(read_url("http://name.invalid:80")) is None


def test_credentials_are_said_with_where_they_go() -> None:
    target = read_url("http://10.0.0.7:80")

    def said(*headers: tuple[str, str], held_bytes: int = 1 << 20) -> str | None:
        records = [Record(t, "GET", "a.example", "/", headers) for t in range(3)]
        return credentials_sent(RequestList(lambda: iter(records), Rules(), held_bytes), target)

    assert said(("accept", "*/*")) is None
    assert said(("Cookie", "a=1")) == (
        "credentials are sent to http://10.0.0.7:80, of the 3 requests: cookie in 3;"
        " --remove-header NAME leaves a header out"
    )
    assert "of the first 2 requests: cookie in 2" in (said(("cookie", "a"), held_bytes=1) or "")
    many = said(*((f"x-{n}-token", "a") for n in range(7)))
    assert "x-4-token in 3, 2 more names;" in (many or "")
