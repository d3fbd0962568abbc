"""Recognises a request that nginx mirrors for the second time, by the id that nginx gives it.

nginx runs its `mirror` again after an internal redirect, such as that of an `index`. The ids of
recent requests are in one table for all workers (recent_ids.py).
"""

import logging

from mirror.core.request_head import RequestHead
from mirror.proxy.recent_ids import RecentIds

log = logging.getLogger(__name__)


class Repeats:
    """The look at one worker's requests."""

    def __init__(self, recent_ids: RecentIds | None, id_header: str | None) -> None:
        """Without `recent_ids` no request counts as a repeat."""
        self._recent_ids = recent_ids
        self._id_header = (id_header or "").lower().encode()
        self._warned_of_no_id = False

    def has(self, head: RequestHead, now_s: float) -> bool:
        """Remember the request; return whether it came before. `now_s` is of the monotonic clock.

        A request without an id is new, and the first of them is logged.
        """
        if self._recent_ids is None:
            return False
        request_id = head.field(self._id_header)
        if request_id:
            return self._recent_ids.add(request_id, now_s)
        if not self._warned_of_no_id:
            self._warned_of_no_id = True
            log.warning(
                "a request without the field %s: what nginx mirrors twice is counted twice, and "
                "where nginx proxies through this sidecar, clients get an empty 204 "
                "(deploy/nginx/mirror-server.conf sets it in mode sink)",
                self._id_header.decode(),
            )
        return False
