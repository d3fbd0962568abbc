"""Reads the file that holds the key with which captured values are hashed.

This is not part of the recorder, because the supervisor checks the file and never records.
"""

import hashlib
from pathlib import Path

from mirror.config_sections import CaptureSection
from mirror.errors import ConfigError

LEAST_KEY_BYTES = 16


def read_key(section: CaptureSection) -> bytes | None:
    """Return the key for the hashes, 32 bytes, or None without a file. Raises ConfigError."""
    path = section.key_file
    if path is None:
        return None
    try:
        text = Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError("capture.key_file", [f"{path} cannot be read: {error}"]) from error
    if len(text) < LEAST_KEY_BYTES:
        expected = f"expected at least {LEAST_KEY_BYTES} bytes, such as `openssl rand -hex 32`"
        raise ConfigError("capture.key_file", [f"{path}: {expected}, got {len(text)}"])
    return hashlib.blake2b(text, digest_size=32).digest()
