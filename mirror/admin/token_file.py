"""Reads the file of `admin_token_file`: the token that lets others than this host change things.

A token that others could read or replace is none, so the file is refused, as ssh refuses such keys.
"""

import os
import re
import stat

from mirror.errors import ConfigError
from mirror.formats.bounded_files import BoundedFileError, Limit, open_regular
from mirror.process.access import intruders

LIMIT = Limit(1 << 20)
LEAST_TOKEN_BYTES = 16
_KEY = "admin_token_file"
_TOKEN = re.compile(rb"[!-~]+")
"""What a header field can carry without quotes: visible ASCII."""


def read_token(path: str | None) -> bytes | None:
    """Return the token in the file without the line end; None without a path.

    Raises ConfigError where the file cannot be read, where others can read or replace it, and where
    it holds something else than one long word.
    """
    if path is None:
        return None
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(LIMIT.most_bytes + 1)
    except (OSError, BoundedFileError) as error:
        raise ConfigError(_KEY, [str(error)]) from error
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        expected = "expected one such as 0640, for a Secret of Kubernetes `defaultMode: 0440`"
        others = f"has mode {stat.S_IMODE(mode):04o}: {expected}"
        raise ConfigError(_KEY, [f"{path} {others}, so that no other user reads or writes it"])
    if (why := intruders(path)) is not None:
        raise ConfigError(_KEY, [f"{path} could be replaced: {why}"])
    if len(text) > LIMIT.most_bytes:
        raise ConfigError(_KEY, [str(LIMIT.exceeded(path))])
    token = text.strip()
    if not _TOKEN.fullmatch(token) or len(token) < LEAST_TOKEN_BYTES:
        expected = f"expected one word of at least {LEAST_TOKEN_BYTES} characters of ASCII"
        raise ConfigError(_KEY, [f"{path}: {expected}, such as `openssl rand -hex 32`"])
    return token
