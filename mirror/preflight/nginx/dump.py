"""The output of `nginx -T`: every file of a configuration in one text, each under its name.

nginx writes the main file first, then the included ones, each behind a comment with its path
(ngx_show_configuration, nginx.c). So the configuration of an nginx in a container can be judged
elsewhere, with the names and the line numbers of its own files.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from mirror.formats.bounded_files import BoundedFileError, Limit

LIMIT = Limit(16 << 20)
"""Most bytes of the output of `nginx -T`."""
_MARKER = re.compile(r"(?m)^# configuration file (.+):\r?\n")
_MESSAGE = re.compile(r"nginx: |\d{4}/\d\d/\d\d |\S+\.sh: ")
"""How the lines begin that nginx and the entry point of its image write before, with `2>&1`."""


def files_of(name: str, text: str) -> dict[str, str] | None:
    """Return the files of an output by their paths, the main file first; None for another text.

    Raises BoundedFileError for the outputs of several configurations in one text.
    """
    before, *parts = _MARKER.split(text)
    if not parts or not all(map(_MESSAGE.match, filter(str.strip, before.splitlines()))):
        return None
    files: dict[str, str] = {}
    for path, content in zip(parts[::2], parts[1::2], strict=True):
        # Some versions of nginx write a file again each time that it is included.
        if files.setdefault(path, content).rstrip() != content.rstrip():
            reason = f"holds {path} twice, and not the same: expected the output of one nginx"
            raise BoundedFileError(name, reason)
    return files


def matching(paths: Iterable[str], pattern: str) -> list[str]:
    """Return the paths that glob(3) finds for `pattern`, sorted, as nginx includes them."""
    return sorted(path for path in paths if _matches(path.split("/"), pattern.split("/")))


def _matches(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(
        fnmatchcase(name, pattern) and (name[:1] != "." or pattern[:1] == ".")
        for name, pattern in zip(names, patterns, strict=True)
    )
