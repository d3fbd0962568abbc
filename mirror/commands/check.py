"""`mirror check`: can the configuration be served, and may its shadow get mirrored requests?

This module owns the output and the exit codes; preflight/host.py looks at this host, and
preflight/probe.py probes the shadow and judges it.
"""

import asyncio
import sys
from dataclasses import fields
from pathlib import Path

import click

from mirror.admin.token_file import read_token
from mirror.capture.key_file import read_key
from mirror.commands.admin_client import NoSidecarError, fetch_status
from mirror.config import Config, load
from mirror.core.acceptance import Verdict
from mirror.errors import ConfigError, TlsError
from mirror.formats.capture.record import is_host
from mirror.formats.terminal import say
from mirror.preflight.circle import circles
from mirror.preflight.descriptors import raise_limit, shortage
from mirror.preflight.host import obstacles, risks, socket_warnings, unwritable
from mirror.preflight.primary import TIMEOUT_S, ask_primary
from mirror.preflight.probe import probe
from mirror.proxy.upstream.origins import primary_origin, shadow_origin
from mirror.spans import show_span

EXIT_CONFIG = 2
EXIT_UNREACHABLE = 3
EXIT_REFUSED = 4
NGINX_KEEPALIVE_S = 60.0
"""Default of nginx's keepalive_timeout in an `upstream` block."""


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
    help="Host header of the probe, such as a production host.  [default: the shadow's address]",
)
def check(path: Path, names: tuple[str, ...], host: str | None) -> None:
    """Check a configuration and this host, and probe the shadow.

    Run it as the user of the sidecar: it finds addresses that are taken and groups that do not
    exist, and warns of folders that cannot be written. A running sidecar is left alone.

    Sends one HEAD request for / to shadow.url and judges the `server` header of the answer. It
    accepts istio-envoy, envoy, and the values of shadow.accept_server and --accept-server. It
    refuses nginx, because its Pod would write every mirrored request to the access log. In mode
    inline it also sends GET / to the primary, and reads the answer as the sidecar would.

    \b
    Examples:
      mirror check -c mirror.yaml
      mirror check -c mirror.yaml --host www.example.com
      mirror check -c mirror.yaml --accept-server demo-app

    \b
    Exit codes:
      0  the configuration can be served and the shadow is accepted
      2  the configuration cannot be used, or not on this host; every problem is listed
      3  the shadow or the primary cannot be reached, or the primary's answer cannot be passed on
      4  the shadow is refused
    """
    if host is not None and not is_host(host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    try:
        config = load(path)
        origin = shadow_origin(config)
        read_key(config.capture)
        read_token(config.admin_token_file)
    except (ConfigError, TlsError) as error:
        say(error, err=True)
        sys.exit(EXIT_CONFIG)
    say(_settings(config, path))
    if problems := [*circles(config), *obstacles(config, _held_by_ours(config))]:
        say(ConfigError(str(path), problems), err=True)
        sys.exit(EXIT_CONFIG)
    for warning in _warnings(config, raise_limit()):
        say(f"warning: {warning}", err=True)
    accepted = (*config.shadow.accept_server, *names)
    probed = asyncio.run(probe(origin, accepted, config.shadow.timeout, host))
    sys.exit(_show(probed, config) or _ask_primary(config, host))


def _held_by_ours(config: Config) -> set[str]:
    """Return the addresses of the running sidecar with this configuration, and say that it runs.

    It is the sidecar that answers on the same admin port and has a listening address in common.
    """
    try:
        status = fetch_status(config.admin)
    except NoSidecarError:
        return set()
    held, pid = status.get("listen"), status.get("pid")
    if not (isinstance(held, list) and isinstance(pid, int)):
        return set()
    if not any(str(address) in held for address in config.listen):
        return set()
    say(f"the sidecar with these addresses is running (pid {pid})")
    return {*map(str, held), str(config.admin)}


def _ask_primary(config: Config, host: str | None) -> int:
    """In mode inline, show how the primary answers; return the exit code."""
    if config.mode != "inline":
        return 0
    answer = asyncio.run(ask_primary(primary_origin(config), host))
    if not answer.trouble:
        say(f"primary {config.primary} answers {answer.status} to GET /")
        return 0
    words = {
        "connect_failed": "cannot be connected to",
        "timeout": f"gives no whole answer to GET / within {TIMEOUT_S:g} s",
        "protocol_error": "answers GET / in a form that two parsers could read differently, so "
        "clients would get 502 (docs/operations.md says what is refused)",
    }.get(answer.trouble, "closes the connection instead of answering GET /")
    say(f"primary {config.primary} {words}", err=True)
    return EXIT_UNREACHABLE


def _show(probed: Verdict, config: Config) -> int:
    target = f"shadow {config.shadow.url}"
    if probed.is_accepted:
        say(f"{target} is accepted: {probed.reason}")
        for warning in probed.warnings:
            say(f"warning: {warning}", err=True)
        return 0
    if not probed.is_reachable:
        say(f"{target} cannot be checked: {probed.reason}", err=True)
        return EXIT_UNREACHABLE
    say(f"{target} is refused: {probed.reason}", err=True)
    return EXIT_REFUSED


def _warnings(config: Config, descriptors: int) -> list[str]:
    """Return warnings about valid settings that fail under load or beside nginx."""
    warnings = [*risks(config), *unwritable(config), *socket_warnings(config)]
    if (missing := shortage(config, descriptors)) is not None:
        warnings.append(missing)
    if config.timeouts.idle <= NGINX_KEEPALIVE_S:
        warnings.append(
            f"timeouts.idle is {show_span(config.timeouts.idle)}: by default nginx keeps its "
            f"connections to an upstream for {show_span(NGINX_KEEPALIVE_S)}, and may send a "
            "request on a connection that is just being closed; set it above keepalive_timeout "
            "of that upstream"
        )
    return warnings


def _settings(config: Config, path: Path) -> str:
    shadow = config.shadow
    rows = {
        "mode": config.mode,
        "listen": ", ".join(map(str, config.listen)),
        "primary": config.primary,
        "shadow": f"{shadow.url}, {_selection(config)}, {' '.join(shadow.methods)}",
        "ids": _request_ids(config),
        "routes": ", ".join(config.routes) or "none: every path is `other`",
        "workers": config.workers,
        "timeouts": f"shadow {show_span(shadow.timeout)}, "
        + ", ".join(
            f"{key.name} {show_span(getattr(config.timeouts, key.name))}"
            for key in fields(config.timeouts)
        ),
        "datadog": config.datadog.dogstatsd or "off",
        "series": _series(config),
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


def _request_ids(config: Config) -> str | None:
    if config.mode == "inline":
        return None
    if config.request_id_header is None:
        return "off: a request that nginx mirrors twice (index redirect) counts twice"
    header = config.request_id_header
    return (
        f"nginx must set {header} to $request_id, or a request that it mirrors twice counts twice"
    )
