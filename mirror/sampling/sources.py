"""What stands behind `--sample`, to the sampler that it asks for.

    pid=NAME:PID,…                      processes on this machine, NAME a component or
                                        COMPONENT/CONTAINER; the same NAME again is another replica
    csv=FILE                            samples that something else writes
    prometheus=URL,COMPONENT{…},…       label matchers in braces instead of the pods of that name
    datadog=COMPONENT,…                 keys from DD_API_KEY and DD_APP_KEY, DD_SITE if not the US1

Owns that grammar; knows nothing of what samplers do.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from mirror.errors import ConfigError, SamplingError
from mirror.sampling.csv_file import CsvSampler
from mirror.sampling.datadog import Account, DatadogSampler
from mirror.sampling.processes import ProcessSampler
from mirror.sampling.prometheus import PrometheusSampler
from mirror.sampling.usage import Sampler, read_part

Environment = Mapping[str, str]

_COMPONENT = re.compile(r"([a-z0-9][a-z0-9._-]*)(?:\{([^{}]+)\})?(?:,|$)", re.ASCII)
_URL = re.compile(r"https?://[^\s,]+", re.ASCII)
_SITE = re.compile(r"[a-z0-9.-]+", re.ASCII)


@contextmanager
def sampling(texts: Sequence[str], environ: Environment) -> Iterator[list[Sampler]]:
    """Make the samplers that these ask for; they read until the block is left.

    Raises ConfigError for what cannot be one, before the block.
    """
    with ExitStack() as opened:
        yield [opened.enter_context(closing(open_sampler(text, environ))) for text in texts]


def open_sampler(text: str, environ: Environment) -> Sampler:
    """Raises ConfigError."""
    source, _, rest = text.partition("=")
    try:
        if source not in _CONSTRUCTORS:
            raise ValueError(f"expected {', '.join(_CONSTRUCTORS)} before =, got {source!r}")
        return _CONSTRUCTORS[source](rest, environ)
    except (ValueError, SamplingError) as error:
        raise ConfigError("--sample", [str(error)]) from error


def _processes(rest: str, environ: Environment) -> Sampler:
    pids = []
    for text in rest.split(","):
        name, colon, pid = text.rpartition(":")
        if not colon or not (pid.isascii() and pid.isdigit()):
            raise ValueError(f"expected pid=NAME:PID,…, got {text!r}")
        pids.append((read_part(name), int(pid)))
    return ProcessSampler(pids)


def _csv(rest: str, environ: Environment) -> Sampler:
    if not rest:
        raise ValueError("expected csv=FILE")
    return CsvSampler(Path(rest))


def _prometheus(rest: str, environ: Environment) -> Sampler:
    url, _, names = rest.partition(",")
    if not _URL.fullmatch(url):
        raise ValueError(f"expected prometheus=http://HOST:PORT,COMPONENT,…, got {rest!r}")
    return PrometheusSampler(url, _components(names))


def _datadog(rest: str, environ: Environment) -> Sampler:
    components = _components(rest)
    if selected := [name for name, selector in components.items() if selector]:
        raise ValueError(f"datadog finds pods by kube_deployment: no selector for {selected[0]}")
    keys = [environ.get(name, "") for name in ("DD_API_KEY", "DD_APP_KEY")]
    if not all(keys):
        raise ValueError("datadog needs DD_API_KEY and DD_APP_KEY in the environment")
    site = environ.get("DD_SITE", "datadoghq.com")
    if not _SITE.fullmatch(site):
        raise ValueError(f"expected a site such as datadoghq.eu in DD_SITE, got {site!r}")
    return DatadogSampler(Account(f"https://api.{site}", *keys), tuple(components))


def _components(text: str) -> dict[str, str | None]:
    """Read `COMPONENT,COMPONENT{matchers},…`."""
    found: dict[str, str | None] = {}
    place = 0
    while place < len(text) and (match := _COMPONENT.match(text, place)):
        found[match[1]] = match[2]
        place = match.end()
    if not found or place < len(text):
        raise ValueError(
            'expected the components to sample, COMPONENT or COMPONENT{label="value"} with commas'
            f" between them, got {text[place:]!r}"
        )
    return found


_CONSTRUCTORS: dict[str, Callable[[str, Environment], Sampler]] = {
    "pid": _processes,
    "csv": _csv,
    "prometheus": _prometheus,
    "datadog": _datadog,
}
