"""Who can connect to a unix socket, and who could replace it: its permissions and those above it.

A client needs write permission on the socket file and search permission (x) on every directory
above it. nginx hides that it has not: it serves production, and mirrors nothing. This module reads
permissions and changes none; it does not know which user nginx's workers are.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from mirror.addresses import Address, UnixAddress


def barriers(path: str, group_id: int, mode: int) -> list[str]:
    """Return what keeps the members of a group from a socket at `path` with this group and mode.

    Where the mode lets everyone write, the socket is meant for any user. Directories that do not
    exist yet are left out.
    """
    is_for_all = bool(mode & stat.S_IWOTH)
    if not is_for_all and not mode & stat.S_IWGRP:
        return [f"mode {mode:04o} lets only the owner connect"]
    who = "other users" if is_for_all else f"group {group_name(group_id)}"
    found = []
    for folder in Path(os.path.realpath(path)).parents:
        try:
            state = folder.stat()
        except OSError:
            continue
        is_open = state.st_mode & stat.S_IXOTH or (
            not is_for_all and state.st_gid == group_id and state.st_mode & stat.S_IXGRP
        )
        if not is_open:
            found.append(f"{who} cannot search {folder} ({_owners(state)})")
    return found


def intruders(path: str | os.PathLike[str]) -> str | None:
    """Return which directory lets others replace a file at `path`; None if none does.

    Only root, this user and, where it is our own group, the members of its group may write a
    directory. In one with the sticky bit, others may write but not replace (as in /tmp).
    """
    for folder in Path(os.path.realpath(path)).parents:
        try:
            state = folder.stat()
        except OSError:
            continue
        if state.st_uid not in (0, os.geteuid()):
            return f"{folder} belongs to another user ({_owners(state)})"
        others = stat.S_IWOTH if state.st_gid in (0, os.getegid()) else stat.S_IWOTH | stat.S_IWGRP
        if state.st_mode & others and not state.st_mode & stat.S_ISVTX:
            return f"other users may write {folder} ({_owners(state)})"
    return None


def describe(address: Address) -> str:
    """Return what there is at a listening address, and who cannot connect to it."""
    if not isinstance(address, UnixAddress):
        return str(address)
    try:
        state = os.stat(address.path)
    except OSError as error:
        return f"{address} ({error.strerror})"
    found = barriers(address.path, state.st_gid, stat.S_IMODE(state.st_mode))
    return "; ".join([f"{address} ({_owners(state)})", *found])


def group_name(group_id: int) -> str:
    """Return the name of a group, or its number where it has none."""
    try:
        return grp.getgrgid(group_id).gr_name
    except KeyError:
        return str(group_id)


def _owners(state: os.stat_result) -> str:
    try:
        owner = pwd.getpwuid(state.st_uid).pw_name
    except KeyError:
        owner = str(state.st_uid)
    mode = stat.S_IMODE(state.st_mode)
    return f"owner {owner}, group {group_name(state.st_gid)}, mode {mode:04o}"
