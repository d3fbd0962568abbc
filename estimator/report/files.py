"""Files of a report, whole or not at all.

A report is written beside its place and then renamed, so that whoever reads it meanwhile, and
whoever interrupts, finds the old one or the new one. A set of files (manifests) is written file by
file in the same way, after all of them were made. Raises OSError as it comes.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write the file, which may exist; its directory must."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        # mkstemp makes it 0600; a report is for colleagues, as far as the umask lets them.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_set(directory: Path, files: Mapping[str, str]) -> None:
    """Write files by name into a directory, which is made where missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_whole(directory / name, text)
