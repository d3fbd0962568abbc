import pytest

from estimator.routing.request import Request, split_authority, without_port


def test_headers_are_unknown_unless_recorded() -> None:
    assert Request("", "GET", "/").headers is None


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("a.example", "a.example", ""),
        ("a.example:8080", "a.example", "8080"),
        ("a.example:", "a.example", ""),
        ("a:x", "a", "x"),
        ("[::1]", "[::1]", ""),
        ("[::1]:80", "[::1]", "80"),
        ("", "", ""),
    ],
)
def test_authority_is_host_and_port(authority: str, host: str, port: str) -> None:
    assert split_authority(authority) == (host, port)
    assert without_port(authority) == host
