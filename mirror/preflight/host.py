"""What a configuration needs of this host: addresses, groups and folders that can be used.

This module finds what `mirror serve` would refuse, could not write or should not be, as the user
that runs it. It leaves a running sidecar and every file alone.
"""

import grp
import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from mirror.addresses import Address, UdpAddress, UnixAddress
from mirror.config import Config
from mirror.errors import ListenError
from mirror.preflight.findings import Finding
from mirror.preflight.rules import FOLDER, IDLE_TIMEOUT, ROOT, SOCKET, TLS_NOT_VERIFIED
from mirror.process.access import barriers, group_name
from mirror.process.listeners import ADMIN_ADVICE, check_listener
from mirror.spans import show_span

NGINX_KEEPALIVE_S = 60.0
"""Default of nginx's keepalive_timeout in an `upstream` block."""


def obstacles(config: Config, ours: Collection[str]) -> list[str]:
    """Return what keeps this configuration from being served; each entry begins with its key.

    `ours` are the addresses that the running sidecar of the same configuration holds.
    """
    found = []
    listening: list[tuple[str, Address | UdpAddress]] = [
        *(("listen", address) for address in config.listen),
        ("admin", config.admin),
    ]
    source = config.comparison.access_log
    if config.joins_log and isinstance(source, UdpAddress | UnixAddress):
        listening.append(("comparison.access_log", source))
    for key, address in listening:
        try:
            check_listener(address, str(address) in ours)
        except ListenError as error:
            found.append(f"{key}: {error}{ADMIN_ADVICE if key == 'admin' else ''}")
    return found


def unwritable(config: Config) -> list[Finding]:
    """Return findings about folders without which the sidecar serves, but records nothing."""
    return [
        FOLDER.at(key, f"The folder {folder} cannot be written: {reason}.")
        for key, folder in recording_folders(config)
        if (reason := _why_unwritable(folder))
    ]


def recording_folders(config: Config) -> list[tuple[str, Path]]:
    """Return the folders that exist and would hold the series and the capture, by their keys."""
    folders = []
    if config.series.enabled:
        folders.append(("series.path", Path(config.series.path).absolute().parent))
    if config.capture.path is not None:
        folder = Path(config.capture.path).absolute()
        while not folder.exists():  # it would be created
            folder = folder.parent
        folders.append(("capture.path", folder))
    return folders


def risks(config: Config) -> list[Finding]:
    """Return findings about what gives strangers more than they need."""
    found = []
    if os.geteuid() == 0:
        found.append(ROOT.at("this process", "It is running as root."))
    for key, tls in (("shadow.tls", config.shadow.tls), ("primary_tls", config.primary_tls)):
        if not tls.verify:
            found.append(TLS_NOT_VERIFIED.at(f"{key}.verify", f"{key}.verify is false."))
    return found


def idle_timeout(config: Config) -> list[Finding]:
    """Return a finding where nginx keeps idle connections longer than the sidecar."""
    idle_s = config.timeouts.idle
    if idle_s > NGINX_KEEPALIVE_S:
        return []
    what = (
        f"timeouts.idle is {show_span(idle_s)}: by default nginx keeps its connections to an "
        f"upstream for {show_span(NGINX_KEEPALIVE_S)}."
    )
    return [IDLE_TIMEOUT.at("timeouts.idle", what)]


def _why_unwritable(folder: Path) -> str | None:
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def closed_sockets(config: Config) -> list[Finding]:
    """Return findings about sockets to which nginx's workers could not connect.

    A group that does not exist is no matter of this function.
    """
    found = []
    keys = [("listen", address) for address in config.listen if isinstance(address, UnixAddress)]
    if config.joins_log and isinstance(config.comparison.access_log, UnixAddress):
        keys.append(("comparison.access_log", config.comparison.access_log))
    for key, address in keys:
        mode = int(address.mode, 8)
        group_id = os.getegid() if address.group is None else grp.getgrnam(address.group).gr_gid
        reasons = barriers(address.path, group_id, mode)
        if address.group is None and mode & 0o022 == 0o020:
            reasons.insert(0, f"without `group` only members of {group_name(group_id)} can")
        if reasons:
            what = f"nginx may be unable to connect: {'; '.join(reasons)}."
            found.append(SOCKET.at(f"{key} {address}", what))
    return found
