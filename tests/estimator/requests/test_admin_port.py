"""Checks how a document of a sidecar is read from a file and from the admin port."""

from pathlib import Path

import pytest

from estimator.errors import InputError, Refused
from estimator.requests.admin_port import Page, read_page
from estimator.series.limits import MAX_ANSWER_BYTES
from mirror.formats.bounded_files import Limit
from tests.fakes import free_port
from tests.fakes_admin import admin_port

PAGE = Page("/comparison", "--compared", Limit(9), "Expected a sidecar", "Keep less")


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"123456789")
    assert read_page(str(path), PAGE) == b"123456789"
    path.write_bytes(b"1234567890")
    with pytest.raises(InputError, match="has more than 9 bytes"):
        read_page(str(path), PAGE)


def test_the_path_may_be_left_out_of_a_url() -> None:
    with admin_port(200, b"answer") as (port, asked):
        for path in ("", "/", "/comparison"):
            assert read_page(f"http://127.0.0.1:{port}{path}", PAGE) == b"answer"
    assert {path for path, _ in asked} == {"/comparison"}


def test_a_refusal_says_what_was_expected() -> None:
    with (
        admin_port(404, b'{"error": "off"}') as (port, _),
        pytest.raises(Refused, match="answered 404 at /comparison: off. Expected a sidecar"),
    ):
        read_page(f"http://127.0.0.1:{port}", PAGE)
    with pytest.raises(Refused, match="cannot be reached"):
        read_page(f"http://127.0.0.1:{free_port()}", PAGE)


def test_too_large_an_answer_says_what_makes_it_smaller() -> None:
    with (
        admin_port(200, b" " * (MAX_ANSWER_BYTES + 1)) as (port, _),
        pytest.raises(InputError, match="Keep less"),
    ):
        read_page(f"http://127.0.0.1:{port}", PAGE)


def test_a_wrong_url_names_its_option() -> None:
    with pytest.raises(InputError, match="--compared: expected a URL such as"):
        read_page("ftp://127.0.0.1", PAGE)
