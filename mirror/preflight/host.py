"""What a configuration needs of this host: addresses, groups and folders that can be used.

This module finds what `mirror serve` would refuse, could not write or should not be, as the user
that runs it. It leaves a running sidecar and every file alone.
"""

import grp
import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from mirror.addresses import Address, UnixAddress
from mirror.config import Config
from mirror.errors import ListenError
from mirror.process.access import barriers, group_name
from mirror.process.listeners import check_listener


def obstacles(config: Config, ours: Collection[str]) -> list[str]:
    """Return what keeps this configuration from being served; each entry begins with its key.

    `ours` are the addresses that the running sidecar of the same configuration holds.
    """
    found = []
    listening: list[tuple[str, Address]] = [("listen", address) for address in config.listen]
    for key, address in (*listening, ("admin", config.admin)):
        try:
            check_listener(address, str(address) in ours)
        except ListenError as error:
            found.append(f"{key}: {error}")
    return found


def unwritable(config: Config) -> list[str]:
    """Return warnings about folders without which the sidecar serves, but records nothing."""
    found = []
    if config.series.enabled:
        found += _unwritable("series.path", Path(config.series.path).absolute().parent)
    if config.capture.path is not None:
        folder = Path(config.capture.path).absolute()
        while not folder.exists():  # it would be created
            folder = folder.parent
        found += _unwritable("capture.path", folder)
    return found


def risks(config: Config) -> list[str]:
    """Return warnings about what gives strangers more than they need."""
    found = []
    if os.geteuid() == 0:
        found.append("running as root: the sidecar needs no privilege; use a user of its own")
    for key, tls in (("shadow.tls", config.shadow.tls), ("primary_tls", config.primary_tls)):
        if not tls.verify:
            found.append(
                f"{key}.verify is false: whoever is on the way can read and answer the requests; "
                f"name the authority in {key}.ca_file instead"
            )
    return found


def _unwritable(key: str, folder: Path) -> list[str]:
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return [f"{key}: the folder {folder} cannot be written: {error.strerror}"]
    return []


def socket_warnings(config: Config) -> list[str]:
    """Return warnings about sockets to which nginx's workers could not connect.

    A group that does not exist is no matter of this function.
    """
    found = []
    for address in config.listen:
        if not isinstance(address, UnixAddress):
            continue
        mode = int(address.mode, 8)
        group_id = os.getegid() if address.group is None else grp.getgrnam(address.group).gr_gid
        reasons = barriers(address.path, group_id, mode)
        if address.group is None and mode & 0o022 == 0o020:
            reasons.insert(0, f"without `group` only members of {group_name(group_id)} can")
        if reasons:
            found.append(f"listen {address}: nginx may be unable to connect: {'; '.join(reasons)}")
    return found
