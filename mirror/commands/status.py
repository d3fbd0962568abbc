"""`mirror status`: what a running sidecar does, for people.

This module owns the words, the exit codes and what is drawn; the sidecar answers /status. Whatever
it answers, the output is printable and bounded, and an unknown or missing part shows as nothing.
"""

import json
import sys
import time
from contextlib import suppress
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from mirror.addresses import TcpAddress
from mirror.commands.admin_client import (
    EXIT_UNREACHABLE,
    NoSidecarError,
    admin_option,
    fetch_status,
)
from mirror.commands.series import drawn, utc
from mirror.comparison.report.safety import Level, NewErrors, is_too_much
from mirror.core.comparison.verdict import EXTRA_COPY
from mirror.core.wrong_mode import wrong_mode
from mirror.formats.foreign_text import visible
from mirror.formats.rich_console import visible_console
from mirror.formats.terminal import say

_TIMES = {
    "newest_s": "newest line",
    "last_new_error_s": "last new error",
    "until": "until",
}
"""Keys with a Unix time, and their names for people."""
EXIT_OK = 0
EXIT_WRONG = 1
INTERVAL_S = 1.0
MOST_ENTRIES = 40
"""Most workers, labels or problems that are shown of one kind."""
MOST_CHARACTERS = 600
"""Longest line; the causes of a silence may be long."""
_STYLES = {"ok": "bold green", "attention": "bold yellow", "wrong": "bold red"}


@click.command()
@admin_option
@click.option("--follow", is_flag=True, help="Ask again every second until Ctrl-C.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: the answer of /status, on one line.",
)
def status(admin: TcpAddress, follow: bool, form: str) -> None:
    """Show what a running sidecar does: the short answer first, then its ledger and its parts.

    The first line says ok, attention (a person should look), or wrong (see exit code 1), and means
    the sidecar; `mirror compare` says whether the switch is safe. In the bars of the last minute,
    the highest second is the full height and a dot is an incomplete second.

    \b
    Exit codes:
      0  ok, or attention
      1  no worker is ready, the ledger does not balance, the shadow is refused, or nginx
         has the configuration of the other mode
      2  an argument cannot be used
      3  no sidecar answers there
    With --follow it is the code of the last answer.

    \b
    Examples:
      mirror status
      mirror status --follow --admin 127.0.0.1:9911
      mirror status --format json | jq .ledger
    """
    out = visible_console()
    if not follow:
        text, code = _ask(admin, form)
        _print(out, text, is_error=code == EXIT_UNREACHABLE)
        sys.exit(code)
    code = EXIT_OK
    with suppress(KeyboardInterrupt):
        if out.is_terminal and form == "text":
            with Live(console=out, auto_refresh=False) as live:
                while True:
                    text, code = _ask(admin, form)
                    live.update(_coloured(text), refresh=True)
                    time.sleep(INTERVAL_S)
        while True:
            text, code = _ask(admin, form)
            _print(out, text if form == "json" else f"{text}\n")
            time.sleep(INTERVAL_S)
    sys.exit(code)


def _ask(admin: TcpAddress, form: str) -> tuple[str, int]:
    """Return what is to be printed, and the exit code."""
    try:
        answer = fetch_status(admin)
    except NoSidecarError as error:
        return _printable(f"mirror: {error}"), EXIT_UNREACHABLE
    code = EXIT_WRONG if wrongs(answer) else EXIT_OK
    return (json.dumps(answer) if form == "json" else shown(answer)), code


def _print(console: Console, text: str, is_error: bool = False) -> None:
    if console.is_terminal and not is_error:
        console.print(_coloured(text), soft_wrap=True)
    else:
        say(text, err=is_error)


def _coloured(text: str) -> Text:
    coloured = Text(text)
    coloured.stylize(_STYLES.get(text.partition(":")[0], ""), 0, text.find("\n"))
    return coloured


def wrongs(answer: dict[str, Any]) -> list[str]:
    """Return what makes the exit code 1."""
    found = []
    workers = _entries(answer.get("workers"))
    if not any(worker.get("ready") and not worker.get("retiring") for worker in workers):
        found.append("no worker is ready")
    if _mapping(answer.get("ledger")).get("balanced") is not True:
        found.append("the ledger does not balance")
    if number := _rate(_mapping(answer.get("last_minute")).get("wrong_mode")):
        mode = "inline" if answer.get("mode") == "inline" else "sink"
        found.append(f"{wrong_mode(mode)}; {number:,} requests in the last minute")
    refusals = {_word(worker["refused"]) for worker in workers if worker.get("refused")}
    return found + [f"the shadow is refused: {refusal}" for refusal in sorted(refusals)]


def _cautions(answer: dict[str, Any]) -> list[str]:
    """Return what a person should look at, although the sidecar works."""
    found = []
    if answer.get("worker_start_error"):
        found.append(f"a worker cannot be started: {_word(answer['worker_start_error'])}")
    if answer.get("silence"):
        found.append(_word(answer["silence"]).partition(": ")[0])
    breakers = {_word(worker.get("breaker", "closed")) for worker in _entries(answer["workers"])}
    found += [f"the breaker is {state}" for state in sorted(breakers - {"closed"})]
    if _mapping(answer.get("ramp")).get("holding"):
        found.append("the ramp fell back")
    if _mapping(_mapping(answer.get("reload")).get("last")).get("result") == "refused":
        found.append("the last reload was refused")
    return found + _cautions_of_comparison(_mapping(answer.get("comparison")))


def _cautions_of_comparison(comparison: dict[str, Any]) -> list[str]:
    found = []
    pairs, number = (_rate(comparison.get(key)) or 0 for key in ("compared", "new_errors"))
    errors = NewErrors(number, pairs)
    if errors.level in (Level.UNSAFE, Level.ATTENTION):
        last = comparison.get("last_new_error_s")
        when = f" since the start, the last at {_time(last)}" if _rate(last) else ""
        found.append(f"{errors.level.value}: {number:,} new errors in {pairs:,} pairs{when}")
    if comparison.get("balanced") is False:
        found.append("the comparison does not balance")
    uncompared = _mapping(comparison.get("uncompared"))
    missing = _sum(uncompared) - (_rate(uncompared.get(EXTRA_COPY)) or 0)
    if is_too_much(missing, pairs):
        found.append(f"{missing:,} of {missing + pairs:,} copies were not compared")
    log = _mapping(comparison.get("log"))
    if log.get("problem"):
        found.append(f"the access log is not read: {_word(log['problem'])}")
    if log.get("repeated"):
        found.append(f"the access log counts requests twice: {_word(log['repeated'])} lines")
    if log.get("offset_s"):
        found.append(f"the access log is {_word(log['offset_s'])} s off the sidecar's clock")
    return found


def shown(answer: dict[str, Any]) -> str:
    """Return an answer of /status as lines for people."""
    answer = {"workers": [], **answer}
    wrong, cautions = wrongs(answer), _cautions(answer)
    word = "wrong" if wrong else "attention" if cautions else "ok"
    ready = [bool(worker.get("ready")) for worker in _entries(answer["workers"])]
    facts = f"{sum(ready)} of {len(ready)} workers ready, ratio {_word(answer.get('ratio'))}"
    rows = [
        ("sidecar", _words(answer, "version", "pid", "mode", "instance")),
        ("shadow", _word(answer.get("shadow"))),
        *_ledger(_mapping(answer["ledger"])),
        *(("worker", _worker(worker)) for worker in _entries(answer["workers"])),
        ("restarts", _word(answer.get("worker_restarts"))),
        ("ramp", _part(answer.get("ramp"))),
        ("capture", _part(answer.get("capture"))),
        ("uris", _part(answer.get("uris"))),
        *_comparison(_mapping(answer.get("comparison"))),
        *(("sink", f"{_word(name)}: {_part(sink)}") for name, sink in _items(answer.get("sinks"))),
        *_reload(_mapping(answer.get("reload"))),
        *_rates(_mapping(answer.get("last_minute"))),
        *([("silence", _word(answer["silence"]))] if answer.get("silence") else []),
    ]
    lines = [f"{word}: {'; '.join(wrong + cautions or [facts])}"]
    lines += [f"  {name:<12} {text}" for name, text in rows]
    return "\n".join(map(_printable, lines))


def _ledger(ledger: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the two sums, and what their parts consist of."""
    sums = {name: _sum(ledger.get(name)) for name in ("not_selected", "shed", "outcomes")}
    one = {name: _word(ledger.get(name)) for name in ("seen", "amplified", "sent", "reading")}
    rows = [
        (
            "ledger",
            f"seen {one['seen']} + amplified {one['amplified']} = not selected "
            f"{sums['not_selected']} + shed {sums['shed']} + sent {one['sent']} "
            f"+ reading {one['reading']}",
        ),
        (
            "",
            f"sent {one['sent']} = outcomes {sums['outcomes']} "
            f"+ in flight {_word(ledger.get('in_flight'))}",
        ),
    ]
    names = ("not_selected", "shed", "outcomes", "probes", "primary", "malformed")
    rows += [(name.replace("_", " "), _part(ledger[name])) for name in names if ledger.get(name)]
    rows.append(("not counted", _words(ledger, "looped", "repeated", "wrong_mode")))
    return rows


def _comparison(comparison: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what became of the pairs, and of the lines of the access log in mode sink."""
    if not comparison:
        return [("compared", "nothing")]
    own = {name: value for name, value in comparison.items() if name != "log"}
    rows = [("compared", _part(own))]
    return rows + ([("access log", _part(log))] if (log := comparison.get("log")) else [])


def _worker(worker: dict[str, Any]) -> str:
    state = "retiring" if worker.get("retiring") else "ready" if worker.get("ready") else "starting"
    text = f"{_words(worker, 'id', 'pid')}, {state}, breaker {_word(worker.get('breaker'))}"
    cause, refused = worker.get("breaker_cause"), worker.get("refused")
    text += f" (last opened by: {_word(cause)})" if cause else ""
    return text + (f", refused: {_word(refused)}" if refused else "")


def _reload(reload: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("reloads", _words(reload, "reloaded", "refused"))]
    if last := _mapping(reload.get("last")):
        rows.append(("last reload", f"{_word(last.get('result'))} at {_time(last.get('at'))}"))
        problems = last.get("problems")
        problems = problems if isinstance(problems, list) else []
        rows += [("", _word(problem)) for problem in problems[:MOST_ENTRIES]]
    return rows


def _rates(minute: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name in ("rps", "shadow_rps"):
        values = minute.get(name)
        rates = [_rate(value) for value in values[-60:]] if isinstance(values, list) else []
        complete = [rate for rate in rates if rate is not None]
        if complete:
            mean = sum(complete) / len(complete)
            numbers = f"last {complete[-1]}, mean {mean:.1f}, peak {max(complete)}"
            rows.append((name.replace("_", " "), f"|{drawn(rates)}| {numbers}"))
    return rows


# --- values of any kind ---


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _entries(value: object) -> list[dict[str, Any]]:
    entries = value if isinstance(value, list) else []
    return [entry for entry in entries if isinstance(entry, dict)][:MOST_ENTRIES]


def _items(value: object) -> list[tuple[str, Any]]:
    return list(_mapping(value).items())[:MOST_ENTRIES]


def _rate(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 1 << 53 else None


def _sum(counts: object) -> int:
    return sum(_rate(count) or 0 for count in _mapping(counts).values())


def _word(value: object) -> str:
    """Return a scalar as text, and anything else as dots."""
    if isinstance(value, dict | list):
        return "..."
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text[:MOST_CHARACTERS]


def _words(values: dict[str, Any], *names: str) -> str:
    return ", ".join(f"{name} {_word(values.get(name))}" for name in names)


def _part(value: object) -> str:
    """Return a mapping as `name value, ...` without what is empty, and nothing as none."""
    parts = []
    for name, inner in _items(value):
        if inner is None or inner in ("", {}, []):
            continue
        if name in _TIMES:
            parts.append(f"{_TIMES[name]} {_time(inner)}")
            continue
        if name == "offset_s":
            parts.append(f"clock off by {_word(inner)} s")
            continue
        # Two levels suffice, as for the ramp's `fallbacks`.
        listed = " ".join(f"{key} {_word(number)}" for key, number in _items(inner))
        parts.append(f"{name} {f'({listed})' if isinstance(inner, dict) else _word(inner)}")
    return ", ".join(parts) or "none"


def _time(value: object) -> str:
    if isinstance(value, float) and 0 <= value < 1 << 37:
        value = int(value)
    if (second := _rate(value)) is None or second >= 1 << 37:  # the year 6325
        return _word(value)
    return f"{utc(second)} UTC"


def _printable(line: str) -> str:
    text = visible(line[: MOST_CHARACTERS + 1])
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
