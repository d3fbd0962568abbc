"""`mirror check`: can the configuration be served, and may its shadow get mirrored requests?

This module owns the output; preflight/examination.py asks, and preflight/findings.py owns the exit
code.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

import click

from mirror.admin.token_file import read_token
from mirror.capture.key_file import read_key
from mirror.commands.admin_client import NoSidecarError, fetch_status
from mirror.config import Config, load
from mirror.errors import ConfigError, TlsError
from mirror.formats.capture.record import is_host
from mirror.formats.foreign_text import visible
from mirror.formats.terminal import say, say_json
from mirror.preflight.circle import circles
from mirror.preflight.examination import examine
from mirror.preflight.findings import Finding, as_json, as_text, exit_code, summary
from mirror.preflight.host import obstacles
from mirror.preflight.nginx.linter import lint
from mirror.preflight.nginx.reading import STDIN
from mirror.preflight.rules import RUNNING
from mirror.proxy.upstream.origins import check_origins
from mirror.spans import show_span

EXIT_CONFIG = 2


@click.command()
@click.option(
    "-c",
    "--config",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="mirror.yaml",
)
@click.option(
    "--accept-server",
    "names",
    multiple=True,
    metavar="NAME",
    help="Also accept a shadow with this `server` header (repeatable).",
)
@click.option(
    "--host",
    metavar="NAME",
    help="A host of production, with which the shadow is asked, and whose server of --nginx must "
    "mirror.  [default: the shadow's address]",
)
@click.option(
    "--nginx",
    metavar="FILE",
    help="Also judge nginx's configuration: nginx.conf with what it includes, or the output of "
    "`nginx -T`; - reads that from standard input.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one document with the findings and the exit code.",
)
def check(
    path: Path, names: tuple[str, ...], host: str | None, nginx: str | None, form: str
) -> None:
    """Check a configuration and this host, and ask the shadow.

    The result is a list of findings, the worst first: what was seen, why it matters and what to do
    instead. docs/preflight.md explains each code. Run it as the user of the sidecar. A running
    sidecar is left alone.

    It sends HEAD requests to shadow.url, for / and for one path of each of the first routes, marked
    by X-Mirror-Leg. It refuses an nginx, because its Pod would write every mirrored request to the
    access log. In mode inline it also sends GET / to the primary, and reads the answer as the
    sidecar would. With --nginx it reads nginx's files and sends nothing there.

    \b
    Examples:
      mirror check -c mirror.yaml
      mirror check -c mirror.yaml --host www.example.com
      mirror check -c mirror.yaml --nginx /etc/nginx/nginx.conf
      kubectl exec POD -c nginx -- nginx -T | mirror check -c mirror.yaml --nginx -
      mirror check -c mirror.yaml --accept-server demo-app
      mirror check -c mirror.yaml --format json | jq .findings

    \b
    Exit codes, the worst finding decides:
      0  nothing but notes: the configuration can be served and the shadow is accepted
      1  warnings
      2  the configuration cannot be used, or not on this host; every problem is listed
      3  something could not be checked, such as a shadow that cannot be reached
      4  refused: copies would be logged or counted twice, or answers of the primary refused
    """
    if host is not None and not is_host(host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    if nginx not in (None, STDIN) and not Path(str(nginx)).exists():
        raise click.BadParameter(f"{nginx} does not exist", param_hint="--nginx")
    try:
        config = load(path)
    except ConfigError as error:
        say(error, err=True)
        sys.exit(EXIT_CONFIG)
    problems = _unusable(config)
    if form == "text" and not problems:
        say(_settings(config, path, is_nginx_judged=nginx is not None))
    held, running, other = _running(config)
    on_this_host = [*circles(config), *obstacles(config, held), *other]
    problems += [f"{path}: {problem}" for problem in on_this_host]
    findings = [] if problems else [*asyncio.run(examine(config, names, host)), *running]
    if nginx is not None:
        findings += lint(nginx, config, host)
    if problems:
        _refuse(problems, findings if form == "text" else [])
    if form == "json":
        say_json(as_json(findings))
    else:
        say(f"\n{as_text(findings)}\n\n{summary(findings)}: exit code {exit_code(findings)}")
    sys.exit(exit_code(findings))


def _unusable(config: Config) -> list[str]:
    """Return what is wrong with the files that a valid configuration names."""
    reads: list[Callable[[], object]] = [
        lambda: check_origins(config),
        lambda: read_key(config.capture),
        lambda: read_token(config.admin_token_file),
    ]
    found = []
    for read in reads:
        try:
            read()
        except (ConfigError, TlsError) as error:
            found.append(str(error))
    return found


def _refuse(problems: list[str], findings: list[Finding]) -> NoReturn:
    """End with 2: another host may be able to serve, so what nginx's files say is still shown."""
    if findings:
        say(
            f"{as_text(findings)}\n\n{summary(findings)} about nginx alone: exit code {EXIT_CONFIG}"
        )
    say("\n".join(problems), err=True)
    sys.exit(EXIT_CONFIG)


def _running(config: Config) -> tuple[set[str], list[Finding], list[str]]:
    """Return the addresses of the running sidecar with this configuration, and that it runs.

    It is the sidecar that answers on the same admin port and has a listening address in common.
    Another sidecar at that port is an obstacle, and comes last.
    """
    try:
        status = fetch_status(config.admin)
    except NoSidecarError:
        return set(), [], []
    held, pid = status.get("listen"), status.get("pid")
    if not (isinstance(held, list) and isinstance(pid, int)):
        return set(), [], []
    if not any(str(address) in held for address in config.listen):
        version = visible(str(status.get("version")))
        other = f"admin: another sidecar (pid {pid}, version {version}) answers on {config.admin}"
        return set(), [], [other]
    log = (status.get("comparison") or {}).get("log") or {}
    if log.get("source") == str(config.comparison.access_log):
        held.append(log["source"])
    what = f"The sidecar with these addresses is running (pid {pid})."
    if (mode := status.get("mode")) != config.mode and mode in ("inline", "sink"):
        what += (
            f" It is in mode {mode}, but this file says mode {config.mode}, which is not in force "
            "before a reload or a restart."
        )
    return {*map(str, held), str(config.admin)}, [RUNNING.at("listen", what)], []


def _settings(config: Config, path: Path, is_nginx_judged: bool) -> str:
    shadow = config.shadow
    rows = {
        "mode": config.mode,
        "listen": ", ".join(map(str, config.listen)),
        "primary": config.primary,
        "shadow": f"{shadow.url}, {_selection(config)}, {' '.join(shadow.methods)}",
        "ids": _request_ids(config, is_nginx_judged),
        "routes": ", ".join(config.routes) or "none: every path is `other`",
        "workers": config.workers,
        "timeouts": f"shadow {show_span(shadow.timeout)}, "
        + ", ".join(
            f"{key.name} {show_span(getattr(config.timeouts, key.name))}"
            for key in fields(config.timeouts)
        ),
        "datadog": config.datadog.dogstatsd or "off",
        "series": _series(config),
        "compares": _comparison(config),
        "admin": config.admin,
    }
    lines = [f"  {name:<8} {value}" for name, value in rows.items() if value is not None]
    return "\n".join([f"{path} is valid", *lines])


def _selection(config: Config) -> str:
    shadow = config.shadow
    sticky = f" sticky by {shadow.sticky}" if shadow.sticky else ""
    if shadow.ramp is None:
        return f"ratio {shadow.ratio:g}{sticky}"
    ramp = shadow.ramp
    return f"ratio {ramp.from_ratio:g} to {ramp.to_ratio:g} in {show_span(ramp.duration)}{sticky}"


def _series(config: Config) -> str:
    series = config.series
    kept = show_span(series.retention_days * 86400)
    return f"{series.path}, seconds are kept for {kept}" if series.enabled else "off"


def _comparison(config: Config) -> str:
    if not config.comparison.enabled:
        return "off"
    if config.mode == "inline":
        return "both answers of each request"
    source = config.comparison.access_log
    return "nothing: comparison.access_log is not set" if source is None else f"with {source}"


def _request_ids(config: Config, is_nginx_judged: bool) -> str | None:
    if config.mode == "inline":
        return None
    if config.request_id_header is None:
        return "off: a request that nginx mirrors twice (index redirect) counts twice"
    if is_nginx_judged:  # a finding says whether nginx sets it
        return None
    header = config.request_id_header
    return (
        f"nginx must set {header} to $request_id, or a request that it mirrors twice counts twice"
    )
