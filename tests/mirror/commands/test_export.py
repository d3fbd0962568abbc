"""Checks that `mirror export` writes vegeta's format."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mirror.commands.export import export
from mirror.formats.capture.record import Record, encode, encode_header

RECORDS = (
    Record(1, "GET", "a.example", "/a?b", (("accept", "x"), ("accept", "y"))),
    Record(2, "POST", "a.example", "/c", (), b"\0body"),
    Record(3, "OPTIONS", "a.example", "*"),
)
URL = "http://10.0.0.7:30080"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(export, list(map(str, arguments)))


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture"
    path.write_bytes(encode_header() + b"".join(map(encode, RECORDS)))
    return path


def test_targets_are_one_a_line(capture: Path, tmp_path: Path) -> None:
    done = run(capture, "--vegeta", URL)
    assert done.exit_code == 0
    output = tmp_path / "targets"
    assert run(capture, "--vegeta", URL, "-o", output).exit_code == 0
    assert output.read_text() == done.stdout
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {
            "method": "GET",
            "url": f"{URL}/a?b",
            "header": {"Host": ["a.example"], "accept": ["x", "y"]},
        },
        {
            "method": "POST",
            "url": f"{URL}/c",
            "header": {"Host": ["a.example"]},
            "body": base64.b64encode(b"\0body").decode(),
        },
        {"method": "OPTIONS", "url": URL, "header": {"Host": ["a.example"]}},
    ]


def test_damage_is_2_or_salvaged(capture: Path) -> None:
    capture.write_bytes(capture.read_bytes() + b"x\n")
    done = run(capture, "--vegeta", URL)
    assert done.exit_code == 2 and f"{capture}:5: expected one JSON object" in done.output
    done = run(capture, "--vegeta", URL, "--salvage")
    assert done.exit_code == 0 and len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize("url", ["10.0.0.7", "unix:/a", "http://a/path"])
def test_bad_url_is_2(capture: Path, url: str) -> None:
    assert run(capture, "--vegeta", url).exit_code == 2


def test_unwritable_output_is_2(capture: Path, tmp_path: Path) -> None:
    done = run(capture, "--vegeta", URL, "-o", tmp_path)
    assert done.exit_code == 2 and "cannot be written" in done.output


def test_targets_are_their_owners_alone(tmp_path: Path) -> None:
    source, victim, output = tmp_path / "a", tmp_path / "victim", tmp_path / "targets.jsonl"
    source.write_bytes(encode_header() + encode(Record(1, "GET", "a.example", "/")))
    victim.write_bytes(b"theirs")
    output.symlink_to(victim)
    words = [str(source), "--vegeta", "http://127.0.0.1:9", "-o", str(output)]
    assert CliRunner().invoke(export, words).exit_code == 0
    assert output.stat().st_mode & 0o777 == 0o600 and not output.is_symlink()
    assert victim.read_bytes() == b"theirs"


def test_secrets_leave_unless_they_are_to_be_kept(tmp_path: Path) -> None:
    hashed = "redacted-" + "0f" * 12
    headers = (("Cookie", f"sid={hashed}; a={hashed}"), ("X-Vault-Token", "S3CR"), ("Accept", "x"))
    capture = tmp_path / "capture"
    record = Record(1, "POST", "a.example", f"/a?token=S3CR&api_key={hashed}", headers, b"body")
    capture.write_bytes(encode_header() + encode(record))
    done = run(capture, "--vegeta", URL)
    target = json.loads(done.stdout)
    assert target["url"] == f"{URL}/a?api_key={hashed}"
    assert target["header"] == {"Host": ["a.example"], **{n: [v] for n, v in headers[::2]}}
    assert base64.b64decode(target["body"]) == b"body"
    assert "2 secrets removed" in done.stderr
    kept = json.loads(run(capture, "--vegeta", URL, "--keep-secrets").stdout)
    assert "token=S3CR" in kept["url"] and kept["header"]["X-Vault-Token"] == ["S3CR"]
