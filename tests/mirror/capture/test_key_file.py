"""Checks reading the key of a capture; the error for a bad key names its option."""

from pathlib import Path

import pytest

from mirror.capture.key_file import read_key
from mirror.config_sections import CaptureSection
from mirror.errors import ConfigError


def test_keys_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "key"
    section = CaptureSection(path="x", key_file=str(path))
    with pytest.raises(ConfigError, match="capture.key_file: .* cannot be read"):
        read_key(section)
    path.write_bytes(b"short\n")
    with pytest.raises(ConfigError, match="expected at least 16 bytes"):
        read_key(section)
    path.write_bytes(b"k" * 300)
    assert len(read_key(section) or b"") == 32
    assert read_key(CaptureSection()) is None
