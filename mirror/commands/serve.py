"""`mirror serve`: run the sidecar in the foreground."""

import asyncio
import logging
import sys

import click

from mirror.admin.token_file import read_token
from mirror.build import HOW_TO_COMPILE, IS_COMPILED
from mirror.capture.key_file import read_key
from mirror.config import Config, parse
from mirror.config_file import read_text
from mirror.errors import ConfigError, ListenError, TlsError, UpstreamRefusedError
from mirror.formats.terminal import say
from mirror.preflight.circle import circles
from mirror.preflight.descriptors import raise_limit, within
from mirror.preflight.examination import examine_start
from mirror.preflight.findings import as_line, worst_first
from mirror.preflight.probe import Answer
from mirror.preflight.shadow import Shadow
from mirror.process.supervisor import Supervisor
from mirror.proxy.upstream.origins import check_origins, shadow_origin

EXIT_CONFIG = 2
EXIT_REFUSED = 4

log = logging.getLogger("mirror")

_EXAMINING: set[asyncio.Task[None]] = set()
"""Checks in the background; the loop itself holds tasks only weakly."""


@click.command()
@click.option("-c", "--config", "path", required=True, metavar="FILE", help="mirror.yaml")
def serve(path: str) -> None:
    """Run the sidecar in the foreground until SIGTERM, then drain.

    SIGHUP reads the configuration again: a valid one is applied without losing a request; an
    invalid one is refused, and the current one stays in force.

    \b
    Exit codes:
      0  drained and stopped
      1  stopped, but requests in flight had to be cut
      2  the configuration cannot be used, or an address is taken; nothing was started
      4  the shadow answered as something that must not get mirrored requests

    \b
    Examples:
      mirror serve -c mirror.yaml
      mirror check -c mirror.yaml && mirror serve -c mirror.yaml
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    # Only the workers use uvloop. The supervisor adds up counts once a second; uvloop costs 3 MiB.
    sys.exit(asyncio.run(_serve(path)))


async def _serve(path: str) -> int:
    async def load() -> tuple[Config, str]:
        return await _load(path)

    try:
        config, text = await load()
        if not IS_COMPILED:
            log.warning("%s", HOW_TO_COMPILE)
        return await Supervisor(config, text, load).run()
    except UpstreamRefusedError as error:
        say(f"mirror: {error}", err=True)
        return EXIT_REFUSED
    except ListenError as error:
        say(f"mirror: {error}", err=True)
        return EXIT_CONFIG
    except (ConfigError, TlsError) as error:
        say(error, err=True)
        return EXIT_CONFIG


async def _load(path: str) -> tuple[Config, str]:
    """Return a configuration that passed every check, and its text; a reload uses it, too.

    Raises ConfigError, TlsError, and UpstreamRefusedError for a shadow that must not be used.
    """
    text = read_text(path)
    config = parse(text, path)
    check_origins(config)
    if problems := await asyncio.to_thread(circles, config):
        raise ConfigError(path, problems)
    read_key(config.capture)
    read_token(config.admin_token_file)
    shadow = config.shadow
    asked = Shadow(config, shadow_origin(config), shadow.accept_server, config.timeouts.connect)
    root = await asked.ask()
    probed = root.verdict
    if probed.is_reachable and not probed.is_accepted:
        raise UpstreamRefusedError(f"shadow.url {shadow.url} is refused: {probed.reason}")
    if not probed.is_reachable:
        log.warning("starting without the shadow %s: %s", shadow.url, probed.reason)
    config = within(config, raise_limit())
    examining = asyncio.create_task(_log_findings(asked, root))
    _EXAMINING.add(examining)
    examining.add_done_callback(_EXAMINING.discard)
    return config, text


async def _log_findings(shadow: Shadow, root: Answer) -> None:
    """Log what `mirror check` would say; a check that fails must not end the sidecar."""
    try:
        findings = worst_first(await examine_start(shadow, root))
    except Exception:
        log.exception("the preflight could not be completed")
        return
    said = "" if root.verdict.is_accepted else f"shadow.{root.verdict.code}"  # by the start itself
    for finding in findings:
        if finding.code != said:
            level = logging.INFO if finding.severity == "note" else logging.WARNING
            log.log(level, "%s: %s", finding.severity, as_line(finding))
