import os
import stat
from pathlib import Path

import pytest

from mirror.formats.whole_files import writing_whole


def write(path: Path, content: bytes = b"new", is_private: bool = False) -> int:
    with writing_whole(path, is_private) as file:
        file.write(content)
    assert path.read_bytes() == content
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(autouse=True)
def umask() -> object:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_file_is_there_as_a_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), writing_whole(path) as file:
        file.write(b"half")
        file.flush()
        assert Path(file.name).read_bytes() == b"half"
        assert path.read_bytes() == b"old"
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["a"]
    assert path.read_bytes() == b"old"


def test_permissions_are_those_of_a_new_file_or_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert write(path) == 0o640
    path.chmod(0o604)
    assert write(path) == 0o604


def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o666)
    assert write(path, is_private=True) == 0o600
    os.umask(0)
    assert write(tmp_path / "b", is_private=True) == 0o600


@pytest.mark.parametrize("is_private", [False, True])
def test_a_link_is_replaced_and_never_followed(tmp_path: Path, is_private: bool) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    victim.chmod(0o600)
    for name, target in (("link", victim), ("dangling", tmp_path / "none")):
        link = tmp_path / name
        link.symlink_to(target)
        assert write(link, is_private=is_private) == (0o600 if is_private else 0o640)
        assert not link.is_symlink()
    assert victim.read_bytes() == b"theirs"
    assert not (tmp_path / "none").exists()


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/null"), Path("/dev/stdout")):
        with pytest.raises(OSError), writing_whole(path) as file:
            file.write(b"x")
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
