"""The location that receives the `mirror` subrequests and hands them to the sidecar."""

import re

from mirror.preflight.findings import Finding
from mirror.preflight.nginx import rules
from mirror.preflight.nginx.connections import connection_findings
from mirror.preflight.nginx.destinations import Destination, Site
from mirror.preflight.nginx.locations import Location
from mirror.proxy.downstream.reader import LONGEST_TARGET_BYTES

LONGEST_S = 1.0
"""A mirror location that waits longer for the sidecar delays production noticeably."""
LONGEST_OF_INGRESS_NGINX_S = 2.0
"""The same in ingress-nginx, whose server-snippet sets locations of production as well."""
_INGRESS_NGINX_BODY = (
    "In ingress-nginx leave mirror-request-body on: with off it keeps Content-Length, and the copy "
    "announces a body that does not come."
)
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})
_TIMEOUTS = ("proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout")
_UNITS_S = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def copy_findings(copy: Location, serving: Location, to: Destination, site: Site) -> list[Finding]:
    """Return what is wrong with `copy`, which gets the requests that `serving` mirrors."""
    return [
        *_logs(copy),
        *_reachable(copy),
        *_request(copy, to, site),
        *_body(copy, serving, site),
        *_waits(copy, to),
        *target_findings(serving, site),
        *mode_findings(copy, "sink"),
        *connection_findings(copy, to, site),
    ]


def mode_findings(location: Location, mode: str) -> list[Finding]:
    """Return that the sidecar cannot tell for which mode `location` sends it requests."""
    header = location.scope.header("X-Mirror-Mode")
    if header is not None and header.args[1] == mode:
        return []
    where = header.where if header else location.scope.directive.where
    what = f"No `proxy_set_header X-Mirror-Mode {mode}` is in force in {location.name}."
    return [rules.MODE_HEADER.at(where, what)]


def target_findings(serving: Location, site: Site) -> list[Finding]:
    """Return that nginx takes longer targets from clients than the sidecar does."""
    for line in serving.scope.in_force("large_client_header_buffers"):
        size = read_bytes(line.args[1]) if len(line.args) == 2 else None
        if size is not None and size > LONGEST_TARGET_BYTES:
            effect = "not mirrored" if site.config.mode == "sink" else "answered 414"
            what = f"`{line.shown}`: a longer target than {LONGEST_TARGET_BYTES} bytes is {effect}."
            return [rules.LONG_TARGETS.at(line.where, what)]
    return []


def _logs(copy: Location) -> list[Finding]:
    scope = copy.scope
    if scope.value("access_log", "on") == "off":
        return []
    if scope.value("log_subrequest", "off") == "on":
        what = f"log_subrequest is on in {copy.name}, and its access log is not off."
        return [rules.LOG_SUBREQUEST.at(scope.place("log_subrequest"), what)]
    what = f"The access log in force in {copy.name} is not off."
    return [rules.ACCESS_LOG.at(scope.place("access_log"), what)]


def _reachable(copy: Location) -> list[Finding]:
    if copy.scope.in_force("internal") or copy.is_named:
        return []
    return [rules.INTERNAL.at(copy.scope.directive.where, f"{copy.name} is not `internal`.")]


def _request(copy: Location, to: Destination, site: Site) -> list[Finding]:
    found = []
    if "$request_uri" not in to.rest:
        what = f"`{to.proxy_pass.shown}` does not end in $request_uri."
        has_other = "$" in to.rest
        rule = rules.NOT_JUDGED if has_other else rules.REQUEST_URI
        found.append(rule.at(to.proxy_pass.where, what))
    if (name := site.config.request_id_header) is None:
        return found
    header = copy.scope.header(name)
    if header is None or "$" not in header.args[1]:
        where = header.where if header else copy.scope.directive.where
        what = f"No `proxy_set_header {name} $request_id` is in force in {copy.name}."
        found.append(rules.REQUEST_ID.at(where, what))
    return found


def _body(copy: Location, serving: Location, site: Site) -> list[Finding]:
    writes = sorted(set(site.config.shadow.methods) - _WITHOUT_BODY)
    captures = site.config.capture.path is not None and site.config.capture.max_body_bytes > 0
    place = serving.scope.place("mirror_request_body")
    found = []
    if serving.scope.value("mirror_request_body", "on") == "on":
        if not writes and not captures:
            what = f"mirror_request_body is on in {serving.name}."
            advice = _INGRESS_NGINX_BODY if _is_of_ingress_nginx(copy) else ""
            found.append(rules.BODY_BUFFERING.at(place, what, advice))
    else:
        if writes:
            what = (
                f"mirror_request_body is off in {serving.name}, and {', '.join(writes)} mirrored."
            )
            found.append(rules.BODY_MISSING.at(place, what))
        length = copy.scope.header("Content-Length")
        if length is None or length.args[1]:
            what = f"Content-Length is not removed in {copy.name}."
            found.append(rules.CONTENT_LENGTH.at(copy.scope.directive.where, what))
    return [*found, *_body_size(copy, serving)]


def _body_size(copy: Location, serving: Location) -> list[Finding]:
    name = "client_max_body_size"
    text = copy.scope.value(name, "1m")
    most, most_served = (
        read_bytes(scope.value(name, "1m")) for scope in (copy.scope, serving.scope)
    )
    if not most or most_served is None or 0 < most_served <= most:
        return []
    what = f"{name} is {text} in {copy.name}, less than in {serving.name}."
    return [rules.BODY_SIZE.at(copy.scope.place(name), what)]


def _is_of_ingress_nginx(copy: Location) -> bool:
    """Say whether ingress-nginx wrote the location (buildMirrorLocations in its template.go)."""
    return copy.pattern.startswith("/_mirror-")


def _waits(copy: Location, to: Destination) -> list[Finding]:
    found = []
    longest_s = LONGEST_OF_INGRESS_NGINX_S if _is_of_ingress_nginx(copy) else LONGEST_S
    long = {
        name: value
        for name in _TIMEOUTS
        if (read_seconds(value := copy.scope.value(name, "60s")) or 0.0) > longest_s
    }
    if long:
        listed = ", ".join(f"{name} {value}" for name, value in long.items())
        what = f"In force in {copy.name}: {listed}."
        found.append(rules.TIMEOUTS.at(copy.scope.place(next(iter(long))), what))
    if len(to.servers) > 1 and copy.scope.value("proxy_next_upstream", "error") != "off":
        what = f"proxy_next_upstream is not off in {copy.name}, and the upstream has other servers."
        found.append(rules.NEXT_UPSTREAM.at(copy.scope.place("proxy_next_upstream"), what))
    return found


def read_seconds(text: str) -> float | None:
    """Return a time of nginx such as `1m30s` in seconds; None for a text that is none."""
    parts = re.findall(r"(\d+)(ms|[smhd]?)\s*", text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        return None
    return sum(int(number) * _UNITS_S[unit] for number, unit in parts)


def read_bytes(text: str) -> int | None:
    """Return a size of nginx such as `8m` in bytes; None for a text that is none."""
    match = re.fullmatch(r"(\d+)([kmg]?)", text.lower())
    return int(match[1]) * _UNITS_BYTES[match[2]] if match else None
