"""Checks that limits beyond the disk are noticed, and what is already held is not asked for."""

import os
from pathlib import Path

from mirror.preflight.disk import disk_findings, free_bytes
from tests.fakes import make_config

GIB = 1 << 30


def test_limits_of_one_disk_are_added(tmp_path: Path) -> None:
    series = {"path": f"{tmp_path}/series.db", "max_bytes": 3 * GIB}
    capture = {"path": f"{tmp_path}/capture", "keep_bytes": 2 * GIB}
    config = make_config(series=series, capture=capture)
    assert disk_findings(config, lambda folder: 5 * GIB) == []
    (finding,) = disk_findings(config, lambda folder: 5 * GIB - 1)
    assert finding.code == "host.disk"
    assert finding.where == "series.max_bytes and capture.keep_bytes"
    assert f"{tmp_path} has 5.0 GiB free" in finding.what and "may grow by 5.0 GiB" in finding.what


def test_what_is_held_needs_no_space(tmp_path: Path) -> None:
    (tmp_path / "capture").mkdir()
    for path in (tmp_path / "capture" / "segment", tmp_path / "series.db"):
        path.touch()
        os.truncate(path, GIB)  # sparse: it takes no space
    series = {"path": f"{tmp_path}/series.db", "max_bytes": GIB}
    capture = {"path": f"{tmp_path}/capture", "keep_bytes": 2 * GIB}
    config = make_config(series=series, capture=capture)
    assert disk_findings(config, lambda folder: GIB) == []
    assert len(disk_findings(config, lambda folder: GIB - 1)) == 1


def test_nothing_recorded_needs_nothing() -> None:
    assert disk_findings(make_config(series={"enabled": False}), lambda folder: 0) == []


def test_the_disk_itself_is_asked(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) >= 0
    series = {"path": f"{tmp_path}/series.db", "max_bytes": 1}
    assert disk_findings(make_config(series=series)) == []
