"""Checks importing several files, by one process or by several."""

import gzip
import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from mirror.capture.importing import ImportCounts, Importing, ImportWorkers, import_files
from mirror.capture.sorter import Sorter
from mirror.errors import InputError
from mirror.formats.access_log.line_reader import Reading

COMBINED = (
    '192.0.2.1 - - [31/Dec/2025:23:59:{:02} +0900] "GET /{}?token=1 HTTP/1.1" 200 5 "-" "curl"\n'
)
GOR = (
    "1 8f 1767193201000000000 0\nPOST /gor HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    "\n\U0001f435\U0001f648\U0001f649\n"
)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    logs = {
        "a.log": "".join(COMBINED.format(n % 7, f"a{n}") for n in range(50)) + "bad\n",
        "b.log": "".join(COMBINED.format(n % 5, f"b{n}") for n in range(50)),
        "c.log": json.dumps({"time": 1767193142.25, "method": "PUT", "uri": "/c"}) + "\n",
        "d.gor": GOR,
    }
    for name, content in logs.items():
        (tmp_path / name).write_text(content)
    return [str(tmp_path / name) for name in logs]


def imported(
    names: list[str], importing: Importing, folder: Path, jobs: int
) -> tuple[bytes, ImportCounts]:
    with closing(Sorter(str(folder))) as sorter:
        counts = import_files(names, importing, sorter, str(folder), ImportWorkers(jobs))
        return b"".join(lines for _, _, lines in sorter.lines()), counts


def test_any_number_of_processes_writes_the_same(files: list[str], tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    importing = Importing(Reading(), "h.example", run_bytes=4000)
    lines, counts = imported(files, importing, tmp_path, 1)
    assert imported(files, importing, tmp_path, 2) == (lines, counts)
    assert sorted(os.listdir(tmp_path)) == before
    assert lines.count(b"\n") == 102 and b"token" not in lines
    assert (counts.methods, counts.hidden_bodies) == ({"GET": 100, "PUT": 1, "POST": 1}, 1)
    assert (counts.tally.lines, counts.tally.lost.total()) == (102, 1)
    assert counts.secrets == {"query key token": 100}


def test_what_is_wrong_with_a_file_is_said_by_any_process(files: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.log.gz"
    bad.write_bytes(gzip.compress(b"x" * 5000)[:-9])
    for jobs in (1, 2):
        with pytest.raises(InputError, match=r"bad\.log\.gz: cannot be read"):
            imported([*files, str(bad)], Importing(), tmp_path, jobs)
