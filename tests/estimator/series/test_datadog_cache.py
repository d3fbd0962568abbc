import os
from pathlib import Path

import pytest

from estimator.series import datadog_cache
from estimator.series.datadog_cache import SETTLED_S, Cache

WHO = ("https://api.datadoghq.eu", "secret", "sum:x{*}")
WINDOW = (0, 86_400)
LATER = 86_400 + SETTLED_S


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "kagami" / "datadog", lambda: LATER)


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_was_kept_comes_back(cache: Cache) -> None:
    cache.write(WHO, WINDOW, b"body")
    assert cache.read(WHO, WINDOW) == b"body"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_another_site_key_or_query_shares_nothing(cache: Cache, place: int) -> None:
    cache.write(WHO, WINDOW, b"body")
    other = tuple("other" if number == place else part for number, part in enumerate(WHO))
    assert cache.read(other, WINDOW) is None
    assert cache.read(WHO, (60, 86_400)) is None


def test_a_window_that_may_change_is_not_kept(tmp_path: Path, cache: Cache) -> None:
    cache.write(WHO, (0, 86_401), b"body")
    assert cache.read(WHO, (0, 86_401)) is None
    assert files(tmp_path) == []


def test_files_show_no_key_and_are_private(tmp_path: Path, cache: Cache) -> None:
    cache.write(WHO, WINDOW, b"body")
    (path,) = files(tmp_path)
    assert "secret" not in str(path)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_asked_for_again(tmp_path: Path, cache: Cache) -> None:
    cache.write(WHO, WINDOW, b"body" * 100)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:-5], whole[:-1] + bytes([whole[-1] ^ 1]), b"?" * 50):
        path.write_bytes(damaged)
        assert cache.read(WHO, WINDOW) is None


def test_size_is_bounded_and_the_oldest_go(tmp_path: Path) -> None:
    cache = Cache(tmp_path, lambda: LATER, max_bytes=3000)
    for number in range(5):
        cache.write(("site", "key", str(number)), WINDOW, os.urandom(1000))
        for path in files(tmp_path):
            # A file system may not distinguish writes within one millisecond.
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 3000
    kept = [cache.read(("site", "key", str(number)), WINDOW) is not None for number in range(5)]
    assert kept == [False, False, False, True, True]


def test_a_disk_that_cannot_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "below", lambda: LATER)
    cache.write(WHO, WINDOW, b"body")
    assert cache.read(WHO, WINDOW) is None


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(
    tmp_path: Path, cache: Cache, mode: int
) -> None:
    cache.write(WHO, WINDOW, b"body")
    (tmp_path / "kagami" / "datadog").chmod(mode)
    assert cache.read(WHO, WINDOW) is None
    cache.write(WHO, (1, 86_400), b"body")
    assert len(files(tmp_path)) == 1


def test_what_is_no_frame_of_ours_is_asked_for_again(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(WHO, WINDOW, bytes(1000))
    (kept,) = files(tmp_path)
    whole = kept.read_bytes()
    for damaged in (b"", b"{}", whole[:-5]):
        kept.write_bytes(damaged)
        assert cache.read(WHO, WINDOW) is None
    kept.write_bytes(whole)
    assert cache.read(WHO, WINDOW) == bytes(1000)
    monkeypatch.setattr(datadog_cache, "MAX_ANSWER_BYTES", 999)
    assert cache.read(WHO, WINDOW) is None
    kept.unlink()
    os.mkfifo(kept)
    assert cache.read(WHO, WINDOW) is None
    kept.unlink()
    (tmp_path / "elsewhere").write_bytes(whole)
    kept.symlink_to(tmp_path / "elsewhere")
    monkeypatch.undo()
    assert cache.read(WHO, WINDOW) is None
