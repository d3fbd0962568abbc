"""Which tool wrote a result file: recognised by its content, never by its name.

`READERS` stand in the order in which they are tried. For a file that none of them knows, the error
lists the known formats, with advice where the file looks like another output of a known tool.
"""

import csv
import re
from pathlib import Path
from types import ModuleType

from estimator.errors import InputError, Problem
from estimator.table.load_tools import fortio, ghz, hey, k6, locust, oha, replay, vegeta, wrk, wrk2
from estimator.table.load_tools.run import LoadResult, members
from estimator.text_files import read_text
from mirror.formats.bounded_files import Limit

READERS: tuple[ModuleType, ...] = (fortio, vegeta, k6, wrk2, wrk, hey, oha, locust, ghz)
"""The tools of which a file holds one run. A replay holds several."""

_ADVICE = (
    (r"^Requests\s+\[total, rate", "is vegeta's text report: use `vegeta report -type=json`"),
    (r"^\s*Summary:\n\s*Total:", "is the text summary of hey or ghz: use -o csv, or -O json"),
    (r'^\{"type":"(Metric|Point)"', "is k6's stream of points: use --summary-export"),
    (r"^metric_name,timestamp,", "is k6's stream of points: use --summary-export"),
    (r'^\{"attack":', "is vegeta's JSON stream: use `vegeta encode --to csv`"),
    (r'^\[\s*\{\s*"name":[^{]*"num_requests":', "is locust's JSON: run it with --csv"),
    (r"^\s*Summary:\n\s*Success rate:\s", "is oha's text summary: use --output-format json"),
    (r"^timeStamp,elapsed,label", "is JMeter's result, which is not read"),
)

LIMIT = Limit(128 << 20)
"""Most bytes of a result: hey writes about 70 for each request, and vegeta whole bodies."""


def read_result(path: Path) -> LoadResult:
    """Read a result file. Raises InputError for a broken file and for an unknown format."""
    source = str(path)
    text = read_text(path, LIMIT)
    keys = members(text) if text.lstrip().startswith("{") else {}
    try:
        if replay.matches(keys, text):
            return replay.read(text, source)
        for reader in READERS:
            if reader.matches(keys, text):
                return LoadResult((reader.read(text, source),))
    except csv.Error as error:  # such as a field of more than 128 KiB
        raise InputError([Problem(source, f"is not CSV: {error}")]) from error
    for pattern, advice in _ADVICE:
        if re.search(pattern, text):
            raise InputError([Problem(source, advice)])
    formats = "; ".join(str(reader.NAME) for reader in (*READERS, replay))
    raise InputError([Problem(source, f"is no result of a known tool; known are {formats}")])
