"""Reads the sources of `mirror compare`: a running sidecar, a saved document, or a series.db.

A source is told from the others by what it is: an existing file by its first bytes, anything else
is an address. Where a sidecar compares nothing, the error names the lines that switch it on.
"""

from collections.abc import Iterable
from pathlib import Path

from mirror.addresses import TcpAddress, read_tcp_address
from mirror.commands.admin_client import NoSidecarError, fetch, fetch_status
from mirror.comparison.report.parts import Part, instant, part_of
from mirror.comparison.report.series_part import Span, part_of_series, refuse_same_sidecar
from mirror.errors import InputError
from mirror.formats.bounded_files import open_regular
from mirror.formats.comparison import LIMIT, decode, read
from mirror.formats.json_documents import error_of

DEFAULT = "127.0.0.1:9911"
PATH = "/comparison"
_SQLITE = b"SQLite format 3\0"

SWITCH_ON = {
    "inline": "Add to mirror.yaml:\n\n    comparison:\n      enabled: true\n",
    "sink": "nginx's access log says what production answered. Add to mirror.yaml:\n\n"
    "    comparison:\n      access_log: file:/var/log/nginx/access.log\n\n"
    "and to nginx, with the format of deploy/nginx/log-format.conf:\n\n"
    "    access_log /var/log/nginx/access.log mirror_json;\n\n"
    "docs/comparison.md has the way for a sidecar that cannot read that file.\n",
}
"""What to write where, by the mode of the sidecar."""


class NotComparedError(Exception):
    """A source holds no comparison; the message says why and what to do."""


def read_parts(sources: Iterable[str], span: Span, token: bytes | None = None) -> list[Part]:
    """Return what each source says; `span` chooses from a series.db, sidecars get the token.

    Raises InputError for what is no source, and NotComparedError for one without a comparison.
    """
    parts = []
    databases: list[tuple[Path, Part]] = []
    for source in sources:
        path = Path(source)
        if path.exists():
            with open_regular(path) as file:
                is_database = file.read(len(_SQLITE)) == _SQLITE
            if is_database:
                if any(path.samefile(other) for other, _ in databases):
                    raise InputError(
                        f"{path}: the same file is named twice: requests would count twice"
                    )
                part = part_of_series(path, span)
                databases.append((path, part))
                if not part.routes:
                    raise NotComparedError(
                        f"{path}: holds no pair between {instant(part.first_s)} and"
                        f" {instant(part.last_s)} UTC. Only a sidecar that compares writes pairs."
                        f" {_both_modes()}"
                    )
            else:
                part = part_of(read(path), source)
        else:
            part = _of_sidecar(source, token)
        parts.append(part)
    refuse_same_sidecar(databases)
    if span.is_chosen and not databases:
        raise InputError(
            "--from, --until and --last choose from a series.db: a sidecar and a saved document"
            " hold the sum of their whole time"
        )
    return parts


def _of_sidecar(source: str, token: bytes | None) -> Part:
    text = source.removeprefix("http://").rstrip("/").removesuffix(PATH)
    try:
        admin = read_tcp_address(text)
    except ValueError:
        raise InputError(
            f"{source}: there is no such file, and it is no admin address such as {DEFAULT}"
        ) from None
    try:
        status, page = fetch(admin, PATH, LIMIT.most_bytes + 1, token)
    except NoSidecarError as error:
        raise NotComparedError(str(error)) from error
    if status == 404:
        raise NotComparedError(f"{source}: the sidecar compares nothing. {_switch_on(admin)}")
    if status != 200:
        raise NotComparedError(f"{source}: answered {status} at {PATH}{error_of(page)}")
    if len(page) > LIMIT.most_bytes:
        raise LIMIT.exceeded(source)
    try:
        return part_of(decode(page), source)
    except ValueError as error:
        raise InputError(f"{source}: {error}") from error


def _switch_on(admin: TcpAddress) -> str:
    """Return what to write, for the mode of the sidecar if it says so."""
    try:
        mode = str(fetch_status(admin).get("mode"))
    except NoSidecarError:
        mode = ""
    if mode in SWITCH_ON:
        return SWITCH_ON[mode]
    return _both_modes()


def _both_modes() -> str:
    return "\n".join(f"Mode {mode}: {words}" for mode, words in SWITCH_ON.items())
