"""Whether nginx writes the access log that the sidecar joins copies with (`comparison.access_log`).

`access_log` lines of a level take the place of those above, all together, so a line for the sidecar
further up may be out of force in a location with a log of its own (ngx_http_log_module.c,
ngx_http_log_merge_loc_conf).
"""

from collections.abc import Sequence

from mirror.addresses import FileAddress, LogAddress, UdpAddress, UnixAddress
from mirror.preflight.findings import Finding
from mirror.preflight.nginx import rules
from mirror.preflight.nginx.destinations import Site, is_same_host, is_same_path, split_address
from mirror.preflight.nginx.locations import Location
from mirror.preflight.nginx.reading import Directive

_NEEDED = ("$request_id", "$status")
"""Variables without which a line joins no copy, or says nothing about it."""
_SYSLOG_PORT = 514
_LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")


def log_findings(serving: Location, site: Site) -> list[Finding]:
    """Return what keeps the lines of a location that is mirrored from the sidecar."""
    comparison = site.config.comparison
    if comparison.access_log is None or not comparison.enabled:
        return []
    ours = _lines_to(serving, comparison.access_log)
    if not ours:
        what = f"No access_log in force in {serving.name} leads to {comparison.access_log}."
        return [
            rules.LOG_NOT_SENT.at(
                serving.scope.place("access_log"), what, _advice(comparison.access_log)
            )
        ]
    return [finding for line in ours for finding in _format(line, site)]


def _advice(source: LogAddress) -> str:
    """Return the line that is missing where a file is followed; empty for the rule's own advice."""
    if not isinstance(source, FileAddress):
        return ""
    return (
        f"Set `access_log {source.path} mirror_json;` beside the other log: a level "
        "that has a log of its own inherits none."
    )


def error_log_findings(
    main: Sequence[Directive], serving: Sequence[Location], site: Site
) -> list[Finding]:
    """Return findings about the error logs that show every datagram which nobody takes.

    `main` are the directives of the main context. nginx reports there what happens to its syslog
    sockets, whatever error_log is in force where the line is written (ngx_syslog.c).
    """
    source = site.config.comparison.access_log
    if isinstance(source, FileAddress) or source is None or not site.config.comparison.enabled:
        return []
    if not any(_lines_to(location, source) for location in serving):
        return []
    # A refused datagram is an `error`; a unix socket that is not there is an `alert`.
    quiet = _LEVELS[_LEVELS.index("emerg" if isinstance(source, UnixAddress) else "crit") :]
    return [
        rules.ERROR_LOG.at(line.where, f"The level of `{line.shown}` is {_level(line)}.")
        for line in main
        if line.name == "error_log" and line.args and _level(line) not in quiet
    ]


def _level(error_log: Directive) -> str:
    """Return the level of an `error_log`; the least severe of several, `error` by default."""
    levels = [word for word in error_log.args[1:] if word in _LEVELS]
    return min(levels, key=_LEVELS.index, default="error")


def _lines_to(serving: Location, source: LogAddress) -> list[Directive]:
    """Return the `access_log` lines in force in a location that lead to the sidecar."""
    lines = serving.scope.in_force("access_log")
    return [line for line in lines if line.args and _leads_to(line.args[0], source)]


def _format(line: Directive, site: Site) -> list[Finding]:
    words = [word for word in line.args[1:] if "=" not in word]
    name = words[0] if words else "combined"
    text = site.log_formats.get(name, "")
    missing = [variable for variable in _NEEDED if variable not in text]
    if not missing:
        return []
    what = f"The log_format {name} of `{line.shown}` has no {' and no '.join(missing)}."
    return [rules.LOG_FORMAT.at(line.where, what)]


def _leads_to(target: str, source: LogAddress) -> bool:
    """Say whether the first argument of an `access_log` names the address of the configuration."""
    if not target.startswith("syslog:"):
        return isinstance(source, FileAddress) and is_same_path(target, source.path)
    parameters = target.removeprefix("syslog:").split(",")
    server = next((text.partition("=")[2] for text in parameters if text.startswith("server=")), "")
    host, port = split_address(server, _SYSLOG_PORT)
    if isinstance(source, UnixAddress):
        return not port and is_same_path(host, source.path)
    return (
        isinstance(source, UdpAddress) and port == source.port and is_same_host(host, source.host)
    )
