"""Usage that something else wrote to a file meanwhile: docs/formats.md, usage samples.

Columns `time` (Unix seconds, or RFC 3339 with its offset), `container`, `cpu`, `memory`, and, where
there are several, `pod` and `component`. An empty amount is none. The file is read when a window is
asked for, so that it may still be written while the replay runs.
"""

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from mirror.errors import SamplingError
from mirror.sampling.quantities import read_cpu, read_memory
from mirror.sampling.usage import Part, Samples, Usage, Window

COLUMNS = ("time", "container", "cpu", "memory")


class CsvSampler:
    def __init__(self, path: Path) -> None:
        self._path = path

    def close(self) -> None:
        pass

    def usage(self, window: Window) -> Mapping[Part, Usage]:
        samples = Samples()
        try:
            with self._path.open(newline="") as file:
                rows = csv.DictReader(file)
                missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
                if missing:
                    raise SamplingError(f"{self._path}: lacks the column(s) {', '.join(missing)}")
                for row in rows:
                    self._add(row, rows.line_num, window, samples)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SamplingError(f"{self._path}: {error}") from error
        found = samples.usage((), str(self._path))
        if not found:
            raise SamplingError(f"{self._path}: holds no sample of the steady part of this step")
        return found

    def _add(
        self, row: Mapping[str, str | None], line: int, window: Window, samples: Samples
    ) -> None:
        try:
            if not window.start_s <= _unix_s(row["time"] or "") <= window.end_s:
                return
            container = row["container"] or ""
            part = Part(row.get("component") or container, container)
            if not container:
                raise ValueError("expected a container")
            pod = row.get("pod") or ""
            if row["cpu"]:
                samples.add_cpu(part, pod, read_cpu(row["cpu"]))
            if row["memory"]:
                samples.add_memory(part, pod, read_memory(row["memory"]))
        except ValueError as error:
            raise SamplingError(f"{self._path}, line {line}: {error}") from error


def _unix_s(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError(f"expected a time with its offset, got {text!r}") from None
        return instant.timestamp()
