"""nginx's configuration files with their includes, as one tree of directives.

The parser is nginx-crossplane, which only turns a text into directives. Files are found and read
here: bounded, regular ones only, and in the order of nginx, which takes the names of a pattern
sorted and every relative one from the folder of the main file (ngx_conf_file.c, ngx_conf_include).
The output of `nginx -T` is taken in their place, and then no file of this host is read. What cannot
be read or parsed becomes a finding, and the rest is judged without it.
"""

import glob
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mirror.formats.bounded_files import BoundedFileError, Limit, read_bytes, unpacked
from mirror.preflight.findings import Finding
from mirror.preflight.nginx import dump
from mirror.preflight.nginx.rules import UNREADABLE

LIMIT = Limit(4 << 20)
"""Most bytes of one file of nginx's configuration."""
MOST_FILES = 2000
"""Most files of a configuration."""
MOST_BYTES = 16 << 20
"""Most bytes of all files together."""
MOST_DIRECTIVES = 200_000
"""Most directives; a file that is included several times counts as often."""
MOST_INCLUDE_DEPTH = 30
"""Most files that include one another; a file that includes itself ends here."""
STDIN = "-"
STDIN_NAME = "standard input"
_NAME_A_PART = (
    "Name a part with --nginx, such as the file of one site: what is included inside http { } can "
    "be judged by itself."
)


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive with its block, if it has one."""

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    block: tuple["Directive", ...] | None = None

    @property
    def where(self) -> str:
        """The place, as editors open it."""
        return f"{self.file}:{self.line}"

    @property
    def shown(self) -> str:
        """The directive as a finding quotes it."""
        words = [self.name, *(argument or '""' for argument in self.args)]
        return " ".join(words) + (" { }" if self.block is not None else ";")


def read_configuration(path: str) -> tuple[tuple[Directive, ...], list[Finding]]:
    """Return the directives of a main file with all includes, and what could not be read.

    `path` is the main file, or holds the output of `nginx -T`; STDIN is such an output as well.
    """
    try:
        files = _dumped(path)
    except BoundedFileError as error:
        return (), [UNREADABLE.at(error.name, f"{error}.")]
    main = path if files is None else next(iter(files))
    reader = _Reader(os.path.dirname(main), files)
    return tuple(reader.directives_of(main, main, 0)), list(reader.findings)


def _dumped(path: str) -> dict[str, str] | None:
    """Return the files of an output of `nginx -T`, or None for a main file of nginx."""
    if path != STDIN:
        return dump.files_of(path, read_bytes(path, dump.LIMIT).decode("latin-1"))
    text = unpacked(sys.stdin.buffer, STDIN_NAME, dump.LIMIT).read().decode("latin-1")
    files = dump.files_of(STDIN_NAME, text)
    if not text.strip():
        reason = "is empty: `nginx -T` writes only to stderr where the configuration has an error"
        raise BoundedFileError(STDIN_NAME, reason)
    if files is None:
        # Its includes would be looked for here, where they are missing or another nginx's.
        expected = "expected `# configuration file PATH:` before each file"
        raise BoundedFileError(STDIN_NAME, f"is not the output of `nginx -T`, {expected}")
    return files


@dataclass
class _Reader:
    folder: str
    """Where nginx looks for relative names: the folder of the main file."""
    files: dict[str, str] | None = None
    """The files of an output of `nginx -T`; None where they are read here."""
    findings: dict[Finding, None] = field(default_factory=dict)
    """Each once, in their order."""
    _parsed: dict[str, list[Any]] = field(default_factory=dict)
    _is_full: bool = False
    """Whether files were left out, because there are too many or because they are too large."""
    _bytes: int = 0
    _semicolons: int = 0
    """Most directives that the parsed files may hold, each counted once."""
    _directives: int = 0

    def directives_of(self, file: str, included_at: str, depth: int) -> Iterator[Directive]:
        if depth > MOST_INCLUDE_DEPTH:
            return self._give_up(included_at, f"more than {MOST_INCLUDE_DEPTH} nested includes")
        return self._expanded(self._parse(file, included_at), file, depth)

    def _expanded(self, statements: list[Any], file: str, depth: int) -> Iterator[Directive]:
        for statement in statements:
            if "comment" in statement:  # among the arguments of a directive
                continue
            name, args, line = statement["directive"], tuple(statement["args"]), statement["line"]
            self._directives += 1
            if self._directives > MOST_DIRECTIVES:
                if self._directives == MOST_DIRECTIVES + 1:
                    what = f"more than {MOST_DIRECTIVES:,} directives; the rest is not judged"
                    self._give_up(f"{file}:{line}", what, _NAME_A_PART)
                return
            if name == "include" and args and "block" not in statement:
                for included in self._included(args[0], f"{file}:{line}"):
                    yield from self.directives_of(included, f"{file}:{line}", depth + 1)
                continue
            block = None
            if "block" in statement:
                block = tuple(self._expanded(statement["block"], file, depth))
            yield Directive(name, args, file, line, block)

    def _included(self, pattern: str, where: str) -> list[str]:
        pattern = os.path.join(self.folder, pattern)
        if not glob.has_magic(pattern):
            return [pattern]
        if self.files is not None:
            return dump.matching(self.files, pattern)
        try:
            # One more than can be read shows that there are too many.
            return sorted(islice(glob.iglob(pattern), MOST_FILES + 1))
        except (OSError, ValueError) as error:
            self._give_up(where, str(error))
            return []

    def _parse(self, file: str, included_at: str) -> list[Any]:
        if file in self._parsed:
            return self._parsed[file]
        if len(self._parsed) >= MOST_FILES:
            return self._leave_out(file, included_at, f"more than {MOST_FILES:,} files")
        self._parsed[file] = statements = []
        try:
            text = self._text(file)
            self._bytes += len(text)
            # The parser keeps every directive, so there must not be too many before it begins.
            self._semicolons += text.count(";") + text.count("{")
            if self._bytes > MOST_BYTES:
                return self._leave_out(file, included_at, f"more than {MOST_BYTES:,} bytes")
            if self._semicolons > MOST_DIRECTIVES:
                what = f"more than {MOST_DIRECTIVES:,} directives, counted by `;` and `{{`,"
                return self._leave_out(file, included_at, what)
            self._parsed[file] = statements = self._parse_text(file, text)
        except BoundedFileError as error:
            self._give_up(included_at, str(error))
        return statements

    def _leave_out(self, file: str, included_at: str, most: str) -> list[Any]:
        if not self._is_full:
            self._is_full = True
            what = f"{most} in all files; {file} and the others are not read"
            self._give_up(included_at, what, _NAME_A_PART)
        return []

    def _text(self, file: str) -> str:
        if self.files is None:
            # nginx takes any bytes; only ASCII means something to this linter.
            return read_bytes(file, LIMIT).decode("latin-1")
        if file not in self.files:
            raise BoundedFileError(file, "is not in the output of `nginx -T`")
        return self.files[file]

    def _parse_text(self, file: str, text: str) -> list[Any]:
        # Imported here, because only a check with --nginx parses: `mirror serve` does not pay.
        import crossplane

        parsed = crossplane.parse_string(text, file, single=True, check_ctx=False, check_args=False)
        for error in parsed["errors"]:
            line = f":{error['line']}" if error["line"] else ""
            self._give_up(f"{file}{line}", f"cannot be parsed: {error['error']}")
        statements: list[Any] = parsed["config"][0]["parsed"]
        return statements

    def _give_up(self, where: str, what: str, instead: str = "") -> Iterator[Directive]:
        self.findings[UNREADABLE.at(where, f"{what}.", instead)] = None
        return iter(())
