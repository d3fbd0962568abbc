"""Whether the disk holds what the series and the capture may grow to.

Both delete their oldest part at their limit, and a full disk comes before that if the limit is
larger than what is free. What they hold already counts as theirs.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from mirror.config import Config
from mirror.preflight.findings import Finding
from mirror.preflight.host import recording_folders
from mirror.preflight.rules import DISK

MOST_SEGMENTS = 100_000
"""Most files of a capture whose sizes are added."""


def free_bytes(folder: Path) -> int:
    """Return how much a user without privileges may still write to the disk of `folder`."""
    usage = os.statvfs(folder)
    return usage.f_bavail * usage.f_frsize


def disk_findings(config: Config, free_bytes: Callable[[Path], int] = free_bytes) -> list[Finding]:
    """Return one finding for each disk that is smaller than its limits together."""
    limits = {"series.path": ("series.max_bytes", config.series.max_bytes)}
    limits["capture.path"] = ("capture.keep_bytes", config.capture.keep_bytes)
    wanted: dict[int, tuple[Path, list[str], int]] = {}
    for key, folder in recording_folders(config):
        try:
            device = folder.stat().st_dev
            missing = limits[key][1] - _held(config, key)
        except OSError:
            continue  # host.folder says so
        first, keys, sum_bytes = wanted.get(device, (folder, [], 0))
        wanted[device] = first, [*keys, limits[key][0]], sum_bytes + max(missing, 0)
    return [
        DISK.at(" and ".join(keys), _shortage(folder, free, missing))
        for folder, keys, missing in wanted.values()
        if (free := free_bytes(folder)) < missing
    ]


def _shortage(folder: Path, free: int, missing: int) -> str:
    return (
        f"{folder} has {free / 2**30:.1f} GiB free, and what is recorded there may grow by "
        f"{missing / 2**30:.1f} GiB."
    )


def _held(config: Config, key: str) -> int:
    """Return the bytes that the series or the capture holds now."""
    if key == "series.path":
        return _size(Path(config.series.path))
    folder = Path(config.capture.path or "")
    return sum(_sizes(folder)) if folder.is_dir() else 0


def _sizes(folder: Path) -> Iterable[int]:
    with os.scandir(folder) as entries:
        for _, entry in zip(range(MOST_SEGMENTS), entries, strict=False):
            if entry.is_file(follow_symlinks=False):
                yield entry.stat(follow_symlinks=False).st_size


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
