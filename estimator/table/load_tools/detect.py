"""Which tool wrote a result file: recognised by its content, never by its name.

`READERS` stand in the order in which they are tried. For a file that none of them knows, the error
lists the known formats, with advice where the file looks like another output of a known tool.
"""

import re
from pathlib import Path
from types import ModuleType

import msgspec

from estimator.errors import InputError, Problem
from estimator.table.load_tools import fortio, ghz, hey, k6, locust, replay, vegeta, wrk, wrk2
from estimator.table.load_tools.run import LoadResult

READERS: tuple[ModuleType, ...] = (fortio, vegeta, k6, wrk2, wrk, hey, locust, ghz)
"""The tools of which a file holds one run. A replay holds several."""

_ADVICE = (
    (r"^Requests\s+\[total, rate", "is vegeta's text report: use `vegeta report -type=json`"),
    (r"^\s*Summary:\n\s*Total:", "is the text summary of hey or ghz: use -o csv, or -O json"),
    (r'^\{"type":"(Metric|Point)"', "is k6's stream of points: use --summary-export"),
    (r"^metric_name,timestamp,", "is k6's stream of points: use --summary-export"),
    (r'^\{"attack":', "is vegeta's JSON stream: use `vegeta encode --to csv`"),
)


def read_result(path: Path) -> LoadResult:
    """Read a result file. Raises InputError for a broken file and for an unknown format."""
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError([Problem(source, "no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Problem(source, f"cannot be read: {error}")]) from error
    try:
        document = msgspec.json.decode(text) if text.lstrip().startswith("{") else None
    except msgspec.DecodeError:
        document = None
    if replay.matches(document, text):
        return replay.read(text, source)
    for reader in READERS:
        if reader.matches(document, text):
            return LoadResult((reader.read(text, source),))
    for pattern, advice in _ADVICE:
        if re.search(pattern, text):
            raise InputError([Problem(source, advice)])
    formats = "; ".join(str(reader.NAME) for reader in (*READERS, replay))
    raise InputError([Problem(source, f"is no result of a known tool; known are {formats}")])
