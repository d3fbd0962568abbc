"""Whether nginx writes the access log that the sidecar joins copies with (`comparison.access_log`).

`access_log` lines of a level take the place of those above, all together, so a line for the sidecar
further up may be out of force in a location with a log of its own (ngx_http_log_module.c,
ngx_http_log_merge_loc_conf).
"""

from mirror.addresses import FileAddress, LogAddress, UdpAddress, UnixAddress
from mirror.preflight.findings import Finding
from mirror.preflight.nginx import rules
from mirror.preflight.nginx.destinations import Site, is_same_host, is_same_path, split_address
from mirror.preflight.nginx.reading import Directive
from mirror.preflight.nginx.scopes import Location

_NEEDED = ("$request_id", "$status")
"""Variables without which a line joins no copy, or says nothing about it."""
_SYSLOG_PORT = 514


def log_findings(serving: Location, site: Site) -> list[Finding]:
    """Return what keeps the lines of a location that is mirrored from the sidecar."""
    comparison = site.config.comparison
    if comparison.access_log is None or not comparison.enabled:
        return []
    lines = serving.scope.in_force("access_log")
    ours = [line for line in lines if line.args and _leads_to(line.args[0], comparison.access_log)]
    if not ours:
        what = f"No access_log in force in {serving.name} leads to {comparison.access_log}."
        return [rules.LOG_NOT_SENT.at(serving.scope.place("access_log"), what)]
    return [finding for line in ours for finding in _format(line, site)]


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
