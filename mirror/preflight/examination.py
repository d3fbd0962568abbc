"""Everything that is asked before the first mirrored request, as one list of findings.

`mirror check` shows the list, and `mirror serve` logs it at its start. What makes a configuration
unusable on this host is no finding: circle.py and host.py return it as problems with their keys.
"""

import asyncio
from collections.abc import Sequence

from mirror.config import Config
from mirror.preflight import rules
from mirror.preflight.access_log import access_log_findings
from mirror.preflight.agent import agent_findings
from mirror.preflight.clock import kernel_clock
from mirror.preflight.descriptors import raise_limit, shortage
from mirror.preflight.disk import disk_findings
from mirror.preflight.findings import Finding
from mirror.preflight.host import closed_sockets, idle_timeout, risks, unwritable
from mirror.preflight.primary import TIMEOUT_S, ask_primary
from mirror.preflight.probe import Answer
from mirror.preflight.shadow import Shadow, examine_entry, examine_routes
from mirror.proxy.upstream.origins import primary_origin, shadow_origin


async def examine(
    config: Config, names: Sequence[str] = (), host: str | None = None
) -> list[Finding]:
    """Return the findings about the shadow with its routes, the primary and this host.

    `names` are servers that are accepted besides `shadow.accept_server`; `host` is a host of
    production. Raises TlsError as `shadow_origin` does.
    """
    shadow, primary, here = await asyncio.gather(
        _examine_shadow(config, names, host),
        _examine_primary(config, host),
        asyncio.to_thread(examine_host, config),
    )
    return [*shadow, *primary, *here]


async def examine_start(shadow: Shadow, root: Answer) -> list[Finding]:
    """Return the findings that `mirror serve` logs; `root` is the shadow's answer to `/`.

    A start knows no host of production and sends no request of its own to production, so neither
    the routes nor the primary are asked.
    """
    here = await asyncio.to_thread(examine_host, shadow.config)
    return [*await examine_entry(shadow, root), *here]


async def _examine_shadow(config: Config, names: Sequence[str], host: str | None) -> list[Finding]:
    accepted = (*config.shadow.accept_server, *names)
    shadow = Shadow(config, shadow_origin(config), accepted, config.shadow.timeout, host)
    root = await shadow.ask()
    found = await examine_entry(shadow, root)
    return [*found, *await examine_routes(shadow, root)] if root.verdict.is_accepted else found


def examine_host(config: Config) -> list[Finding]:
    """Return the findings about this host, as the user that runs this process. Blocks shortly."""
    return [
        *risks(config),
        *unwritable(config),
        *closed_sockets(config),
        *shortage(config, raise_limit()),
        *idle_timeout(config),
        *kernel_clock(),
        *agent_findings(config),
        *disk_findings(config),
        *access_log_findings(config),
    ]


async def _examine_primary(config: Config, host: str | None) -> list[Finding]:
    """In mode inline, say whether the primary's answer could be passed on."""
    if config.mode != "inline":
        return []
    answer = await ask_primary(primary_origin(config), host)
    where = str(config.primary)
    if not answer.trouble:
        what = f"It answers {answer.status} to GET /."
        return [rules.PRIMARY_ANSWERS.at(where, what)]
    if answer.trouble == "protocol_error":
        what = "It answers GET / in a form that two parsers could read differently."
        return [rules.PRIMARY_REFUSED.at(where, what)]
    what = {
        "connect_failed": "It cannot be connected to.",
        "timeout": f"It gives no whole answer to GET / within {TIMEOUT_S:g} s.",
    }.get(answer.trouble, "It closes the connection instead of answering GET /.")
    return [rules.PRIMARY_UNREACHABLE.at(where, what)]
