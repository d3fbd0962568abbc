"""Checks who may read and change what: each rule of the admin port by itself."""

import pytest

from mirror.addresses import TcpAddress
from mirror.admin.trust import CLOSED, OPEN, SECRET_HEADER, WITH_TOKEN, Trust

HOST = {"Host": "127.0.0.1:9911"}
OURS = {**HOST, SECRET_HEADER: "secret"}
OUR_PAGE = {**OURS, "Origin": "http://127.0.0.1:9911", "Sec-Fetch-Site": "same-origin"}
TOKEN = {"Authorization": "Bearer 0123456789abcdef"}
JSON = "application/json"

FOREIGN = {
    "a foreign origin": {**OUR_PAGE, "Origin": "http://evil.example"},
    "no origin at all": {**OUR_PAGE, "Origin": "null"},
    "another port": {**OUR_PAGE, "Origin": "http://127.0.0.1:80"},
    "another scheme": {**OUR_PAGE, "Origin": "https://127.0.0.1:9911"},
    "another site": {**OUR_PAGE, "Sec-Fetch-Site": "cross-site"},
    "another port of the site": {**OUR_PAGE, "Sec-Fetch-Site": "same-site"},
    "no secret": {**OUR_PAGE, SECRET_HEADER: ""},
    "another secret": {**OUR_PAGE, SECRET_HEADER: "secreT"},
    "a secret of other letters": {**OUR_PAGE, SECRET_HEADER: "s\xe9cr\udc80t"},
    "a name that leads here": {**OUR_PAGE, "Host": "evil:80", "Origin": "http://evil:80"},
    "a name without a port": {**OUR_PAGE, "Host": "evil", "Origin": "http://evil"},
}


def trust(host: str = "127.0.0.1", allows: bool = False, token: bytes | None = None) -> Trust:
    made = Trust("secret")
    made.address = TcpAddress(host, 9911)
    made.allow(allows, token)
    return made


def test_a_page_of_ours_may_change_things_and_read_its_events() -> None:
    assert trust().refusal_of_change(OUR_PAGE, JSON) is None
    assert trust().refusal_of_stream(OUR_PAGE) is None
    # Browsers send Sec-Fetch-Site to loopback and over TLS only, and Origin not with every GET.
    assert trust().refusal_of_stream(OURS) is None


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=list(FOREIGN))
def test_a_foreign_page_may_not(headers: dict[str, str]) -> None:
    for made in (trust(), trust("0.0.0.0", allows=True), trust(token=b"0123456789abcdef")):
        assert made.refusal_of_change(headers, JSON) is not None
        assert made.refusal_of_change({**headers, **TOKEN}, JSON) is not None
        assert made.refusal_of_stream(headers) is not None
        assert made.refusal_of_document(headers, "127.0.0.1") is not None


def test_our_page_may_not_read_all_uris() -> None:
    assert trust().refusal_of_document(OUR_PAGE, "127.0.0.1") == "a web page may not do this"
    assert trust().refusal_of_document(HOST, "127.0.0.1") is None


def test_the_secret_gives_no_right_by_itself() -> None:
    there = {SECRET_HEADER: "secret", "Host": "192.0.2.1:9911"}
    assert "admin_token_file" in (trust("0.0.0.0").refusal_of_change(there, JSON) or "")
    assert trust("0.0.0.0").refusal_of_examples(there, "192.0.2.7") is not None
    assert trust("0.0.0.0", allows=True).refusal_of_change(there, JSON) is None
    assert trust("0.0.0.0", allows=True).refusal_of_examples(there, "192.0.2.7") is None


def test_the_token_lets_others_change_things() -> None:
    made = trust("0.0.0.0", token=b"0123456789abcdef")
    there = {"Host": "192.0.2.1:9911"}
    assert made.refusal_of_change({**there, **TOKEN}, JSON) is None
    assert made.refusal_of_document({**there, **TOKEN}, "192.0.2.7") is None
    assert made.refusal_of_examples({**there, **TOKEN}, "192.0.2.7") is None
    for wrong in ("Bearer 0123456789abcdeF", "Basic 0123456789abcdef", "Bearer", ""):
        given = {**there, "Authorization": wrong}
        assert made.refusal_of_change(given, JSON) == "this is not the token of admin_token_file"
        assert made.refusal_of_document(given, "192.0.2.7") is not None
    assert trust("0.0.0.0").refusal_of_change({**there, **TOKEN}, JSON) is not None


def test_a_refusal_names_the_way() -> None:
    there = {"Host": "192.0.2.1:9911"}
    for token, way in ((None, "set admin_token_file or"), (b"0123456789abcdef", "--token-file")):
        made = trust("0.0.0.0", token=token)
        assert way in (made.refusal_of_change(there, JSON) or "")
        assert way in (made.refusal_of_document(there, "192.0.2.7") or "")


@pytest.mark.parametrize(
    ("host", "is_refused"),
    [
        *(("localhost:1", False), ("[::1]:80", False), ("10.0.0.1", False)),
        *(("localhost.evil:1", True), ("127.0.0.1.evil", True), ("", True), ("[evil]:1", True)),
    ],
)
def test_only_an_address_may_be_in_host(host: str, is_refused: bool) -> None:
    assert (trust().refusal_of_page({"Host": host}) is not None) is is_refused
    assert (trust().refusal_of_page({}) is not None) is True


def test_the_page_is_told_what_its_reader_may_change() -> None:
    assert trust().controls() == OPEN
    assert trust("0.0.0.0").controls() == CLOSED
    assert trust("0.0.0.0", allows=True).controls() == OPEN
    assert trust("0.0.0.0", token=b"0123456789abcdef").controls() == WITH_TOKEN


def test_a_secret_is_made_for_each_process() -> None:
    assert Trust().secret != Trust().secret and len(Trust().secret) >= 32
