"""`mirror canary`: sends one request through production, and says where it is found.

This module owns the arguments and the exit code; mirror/audit/canary sends, looks and judges.
"""

import sys
from collections.abc import Mapping

import click
from rich.table import Table

from mirror.addresses import TcpAddress, Url
from mirror.audit.canary.places import FollowedLog
from mirror.audit.canary.search import Asking, Search, Status
from mirror.audit.canary.sending import Target, read_page
from mirror.audit.canary.sending import read_target as read_canary_target
from mirror.audit.canary.verdict import VERDICTS, as_json, exit_code, judge, places
from mirror.audit.envoy_stats import LIMIT, read
from mirror.commands.admin_client import AdminAddress, NoSidecarError, fetch_status
from mirror.commands.arguments import Written, read_target
from mirror.errors import InputError
from mirror.formats.access_log.blocks import STDIN
from mirror.formats.capture.record import is_host
from mirror.formats.rich_console import visible_console
from mirror.formats.terminal import say, say_json
from mirror.preflight.findings import as_text
from mirror.spans import read_span_s

EXIT_UNUSABLE = 2

HELP = """Send one GET with an id of its own to URL, and look for it in every place.

The request has ?mirror-canary=ID in its query, which every log format shows, and the header
X-Mirror-Canary. It must be in production's log once, at the sidecar once, and in the gateway's
log not at all. Where the ratio leaves it out, a second request goes straight to the shadow, marked
as a copy (X-Mirror-Leg: canary), because the question is whether that way logs.

For a certificate of your own CA, or one that is self-signed, name its PEM file in the environment:
SSL_CERT_FILE=FILE.

Logs are followed from the moment of the start, through rotation. The wait is bounded by --wait.

\b
Exit codes:
  0  counted once
  2  an option or a log cannot be used
  3  something could not be judged; the findings say what
  4  counted more than once

\b
Examples:
  mirror canary https://www.example.com/watch/1 --access-log /var/log/nginx/access.log \\
    --gateway-log /logs/gateway.log
  mirror canary http://127.0.0.1/ --host www.example.com --admin 10.0.0.5:9911 \\
    --gateway-log '/var/log/pods/site-gateway_site-gateway-*/nginx/*.log' \\
    --envoy-admin http://127.0.0.1:15000 --format json
"""


@click.command(help=HELP)
@click.argument("url", type=Written("URL", read_canary_target))
@click.option("--host", metavar="NAME", help="Host header.  [default: that of URL]")
@click.option(
    "--admin",
    "admins",
    type=AdminAddress(),
    multiple=True,
    default=("127.0.0.1:9911",),
    show_default=True,
    metavar="HOST:PORT",
    help="Admin port of a sidecar.  [repeatable]",
)
@click.option("--access-log", multiple=True, metavar="FILE", help="Production's log, or a glob.")
@click.option(
    "--gateway-log",
    multiple=True,
    metavar="FILE",
    help="Log of the nginx in the gateway's Pod, where the canary must not be; - is standard"
    " input.",
)
@click.option("--envoy-log", multiple=True, metavar="FILE", help="Envoy's access log.")
@click.option(
    "--envoy-admin",
    type=Written("URL", read_target),
    metavar="URL",
    help="Envoy's admin address, such as http://127.0.0.1:15000, whose counters are read.",
)
@click.option(
    "--shadow",
    type=Written("URL", read_target),
    metavar="URL",
    help="Where a marked request goes.  [default: the shadow of the sidecar that saw the canary]",
)
@click.option(
    "--wait",
    "wait_s",
    type=Written("SPAN", read_span_s),
    default="20s",
    show_default=True,
    help="Longest wait.",
)
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def canary(
    url: Target,
    host: str | None,
    admins: tuple[TcpAddress, ...],
    access_log: tuple[str, ...],
    gateway_log: tuple[str, ...],
    envoy_log: tuple[str, ...],
    envoy_admin: Url | None,
    shadow: Url | None,
    wait_s: float,
    output: str,
) -> None:
    if host is not None and not is_host(host):
        raise click.BadParameter("expected a host name", param_hint="--host")
    if (*access_log, *gateway_log, *envoy_log).count(STDIN) > 1:
        raise click.UsageError("standard input (-) can be one log only")
    asking = Asking(
        statuses=lambda: _statuses(admins),
        envoy=None if envoy_admin is None else lambda: _counters(envoy_admin),
        progress=lambda text: say(f"mirror: {text}", err=True),
    )
    search = Search(
        Target(url.origin, url.path, host or url.host),
        asking,
        wait_s,
        _log("--access-log", access_log),
        _log("--gateway-log", gateway_log),
        _log("--envoy-log", envoy_log),
        shadow,
    )
    try:
        search.run()
    except InputError as error:
        say(f"mirror: {error}", err=True)
        sys.exit(EXIT_UNUSABLE)
    findings = judge(search)
    if output == "json":
        say_json(as_json(search, findings))
    else:
        say(f"{VERDICTS[exit_code(findings)]}: canary {search.canary_id}")
        visible_console().print(_table(search))
        if findings:
            say("\n" + as_text(findings))
    sys.exit(exit_code(findings))


def _log(option: str, patterns: tuple[str, ...]) -> FollowedLog | None:
    return FollowedLog(option, patterns) if patterns else None


def _statuses(admins: tuple[TcpAddress, ...]) -> list[Status]:
    found: list[Status] = []
    for admin in admins:
        try:
            found.append(fetch_status(admin))
        except NoSidecarError:
            continue
    return found


def _counters(admin: Url) -> Mapping[str, int]:
    """Return Envoy's counters. Raises InputError."""
    page = read_page(admin, "/stats?filter=rq_total|overflow|uptime", LIMIT.most_bytes)
    if page.error:
        raise InputError(f"--envoy-admin {admin}: cannot be asked: {page.error}")
    return read(page.body.decode("utf-8", "replace"), f"--envoy-admin {admin}")


def _table(search: Search) -> Table:
    shown = Table(box=None, show_header=False)
    shown.add_column()
    shown.add_column()
    for row in places(search):
        shown.add_row(row.place, row.found)
    return shown
