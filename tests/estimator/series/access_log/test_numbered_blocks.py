from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.series.access_log.numbered_blocks import read_blocks
from mirror.formats.access_log import blocks
from mirror.formats.access_log.tally import NotALog


def test_each_block_has_the_number_of_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8)
    log = tmp_path / "access.log"
    log.write_bytes(b"one\ntwo\nthree\nfour\nfive")
    taken: list[tuple[int, bytes]] = []
    read_blocks(str(log), lambda number, block: taken.append((number, block)))
    lines = log.read_bytes().splitlines(keepends=True)
    assert b"".join(block for _, block in taken) == log.read_bytes()
    assert len(taken) > 1
    assert all(block.startswith(lines[number - 1]) for number, block in taken)


def test_what_is_no_log_is_bad_input(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"x\n")

    def refuse(number: int, block: bytes) -> None:
        raise NotALog(f"{log}: is none")

    for name, problem in ((log, "is none"), (tmp_path / "missing", "no such file")):
        with pytest.raises(InputError) as caught:
            read_blocks(str(name), refuse)
        assert str(caught.value) == f"{name}: {problem}"
