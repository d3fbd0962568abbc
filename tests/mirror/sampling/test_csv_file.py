"""Samples that something else wrote."""

from pathlib import Path

import pytest

from mirror.errors import SamplingError
from mirror.sampling.csv_file import CsvSampler
from mirror.sampling.usage import Part, Window

TEXT = """time,pod,component,container,cpu,memory
99.9,a,api,app,9,9Gi
100,a,api,app,100m,50Mi
2026-01-01T00:00:00Z,a,api,app,9,9Gi
1970-01-01T00:03:20+00:00,a,api,app,0.3,
150,b,api,app,400m,60Mi
150,b,,proxy,50m,1000
"""


def test_only_the_window_counts(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(TEXT)
    found = CsvSampler(path).usage(Window(100, 200))
    assert found.keys() == {Part("api", "app"), Part("proxy", "proxy")}
    app = found[Part("api", "app")]
    assert (app.cpu_millicores, app.replicas, app.memory_bytes) == (300, 2, 60 * 2**20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,cpu\n", r"lacks the column\(s\) container, memory"),
        ("time,container,cpu,memory\n", "holds no sample of the steady part"),
        ("time,container,cpu,memory\n150,app,much,1\n", "line 2: expected cpu such as"),
        ("time,container,cpu,memory\n150,,1,1\n", "line 2: expected a container"),
        ("time,container,cpu,memory\nnoon,app,1,1\n", "line 2: Invalid isoformat"),
        ("time,container,cpu,memory\n2026-01-01T00:00:00,app,1,1\n", "with its offset"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(text)
    with pytest.raises(SamplingError, match=message):
        CsvSampler(path).usage(Window(100, 200))


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SamplingError, match="No such file"):
        CsvSampler(tmp_path / "none.csv").usage(Window(0, 1))
