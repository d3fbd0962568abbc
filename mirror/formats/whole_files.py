"""Files that are written whole or not at all.

A file is written beside its destination and then renamed. Whoever reads it meanwhile finds the old
file or the new one, an interrupted write leaves nothing behind, and a link at the destination is
replaced, never followed: whoever may write to the directory could point it at another file.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
_ANY = 0o666


@contextmanager
def writing_whole(path: Path, is_private: bool = False) -> Iterator[BinaryIO]:
    """Yield the file that becomes `path` at the end of the block, unless the block raises.

    Its `name` is where it is until then, for what writes by name. The directory must exist. A
    private file is its owner's alone. Any other keeps the permissions of the file that it replaces,
    or has those of a new one. Raises OSError.
    """
    kept = _mode_of(path)
    mode = PRIVATE if is_private else kept
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.unfinished")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    # The umask of the process applies, as to any new file.
    descriptor = os.open(beside, flags, mode or _ANY)
    try:
        with open(beside, "w+b", opener=lambda *_: descriptor) as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield file
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _mode_of(path: Path) -> int | None:
    """Return the permissions of the regular file at `path`; None if there is none.

    Raises OSError for a device, a FIFO or a socket, which a rename would replace.
    """
    try:
        kind = os.stat(path).st_mode
        # /dev/stdout leads to a file, too, where a shell redirects it.
        if not stat.S_ISREG(kind) or path.parent.resolve() == Path("/dev"):
            raise OSError(errno.EINVAL, "is no regular file")
        here = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(here) & 0o777 if stat.S_ISREG(here) else None
