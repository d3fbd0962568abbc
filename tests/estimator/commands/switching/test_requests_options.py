"""Checks that exactly one source of requests is read, and that options of others are refused."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from estimator.commands.switching.requests_options import (
    SECTIONS,
    RequestsSource,
    requests_of,
    requests_options,
    requests_source_of,
)
from estimator.errors import InputError
from estimator.requests.asked import Asked
from mirror.formats.capture.record import Record, encode, encode_header
from mirror.formats.uri_counts import FORMAT, VERSION, UriCount, UriCounts, to_json

LINE = b'10.0.0.1 - - [31/Dec/2025:14:59:59 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"\n'
SOURCES = "--from-access-log, --from-capture, --from-series, --from-uris"


@click.command()
@requests_options
def command(**options: Any) -> None:
    print(requests_source_of(options))


def source(**options: Any) -> RequestsSource:
    absent = dict.fromkeys(SECTIONS) | {"from_access_log": (), "from_series": ()}
    return requests_source_of({**absent, **options})


def targets(**options: Any) -> list[str]:
    found = requests_of(source(**options), Asked())
    return [item.request.target for item in found.items]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"Give exactly one of {SOURCES}."),
        (["--from-capture", "a", "--from-uris", "b"], f"Give exactly one of {SOURCES}."),
        (["--from-capture", "a", "--jobs", "2"], "--jobs applies only to --from-access-log."),
        (
            ["--from-uris", "a", "--fields", "time=t", "--time-zone", "UTC"],
            "--fields applies only to --from-access-log; --time-zone applies only to",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_every_option_has_its_heading() -> None:
    assert {parameter.name for parameter in command.params} == set(SECTIONS)


def test_each_source_is_read(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(LINE)
    assert targets(from_access_log=(f"{tmp_path}/*.log",), jobs=1) == ["/a"]
    capture = tmp_path / "a.capture"
    capture.write_bytes(encode_header(5) + encode(Record(5, "GET", "a", "/b")))
    assert targets(from_capture=capture) == ["/b"]
    series = tmp_path / "series.csv"
    series.write_text("second,route,requests\n100,/c/_id_,1\n101,/c/_id_,2\n")
    assert targets(from_series=(series,)) == ["/c/1"]
    counts = [UriCount("a", "GET", "/d", [], 1, 5, 6)]
    document = UriCounts(
        format=FORMAT,
        version=VERSION,
        instance="a",
        mode="sink",
        since_s=1,
        until_s=9,
        most=10,
        seen=1,
        not_kept=0,
        waiting=0,
        lost=0,
        missing_most=0,
        uris=counts,
    )
    saved = tmp_path / "uris.json"
    saved.write_bytes(to_json(document))
    assert targets(from_uris=str(saved)) == ["/d"]


def test_wrong_fields_are_named_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="--fields or --time-zone: expected MEANING=KEY"):
        requests_of(source(from_access_log=("none",), fields="x"), Asked())
    with pytest.raises(InputError, match="none: no such file"):
        requests_of(source(from_access_log=("none",)), Asked())
