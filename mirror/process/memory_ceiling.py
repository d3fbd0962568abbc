"""How much memory a worker may take beyond its start: what /status shows.

Two figures, because they have different causes: what the shadow can make a worker hold, with the
caches that clients can fill; and what clients can make it hold by heads that they begin and do not
end. Invariant: whatever is sent, a worker stays below their sum, except for the bodies and
responses that it relays in mode inline, which the back-pressure of each connection bounds.
"""

from mirror.config import Config
from mirror.core.budget import ceiling_bytes, head_bytes, heads_ceiling_bytes
from mirror.core.comparison.copies import COPY_BYTES, MOST_COPIES
from mirror.core.http1 import MOST_FIELDS, PLANS_BYTES
from mirror.core.redaction.redactor import CACHES_BYTES
from mirror.core.request_head import HOSTS_BYTES
from mirror.core.uri_counts.collector import ceiling_bytes as uris_ceiling_bytes


def memory_ceiling_bytes(config: Config) -> int:
    """Return the most bytes that the shadow and full caches can make a worker hold."""
    shadow = config.shadow
    legs = shadow.connections + shadow.waiting
    of_shadow = ceiling_bytes(
        shadow.buffer_bytes, shadow.connections, legs, shadow.url.is_tls, _head_bytes(config)
    )
    of_capture = CACHES_BYTES if config.capture.path is not None else 0
    most = config.uris.most
    of_uris = uris_ceiling_bytes(most) + CACHES_BYTES if most else 0
    of_pairs = CACHES_BYTES if config.compares else 0
    of_copies = MOST_COPIES * COPY_BYTES if config.joins_log else 0
    of_clients = PLANS_BYTES + HOSTS_BYTES + of_capture + of_uris
    return of_shadow + of_clients + of_pairs + of_copies


def heads_memory_ceiling_bytes(config: Config) -> int:
    """Return the most bytes that the incomplete heads of all connections can make a worker hold."""
    return heads_ceiling_bytes(config.max_connections, _head_bytes(config))


def _head_bytes(config: Config) -> int:
    return head_bytes(config.max_head_bytes, MOST_FIELDS)
