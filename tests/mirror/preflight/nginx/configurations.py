"""Correct configurations of nginx, to which a test of the linter adds one mistake.

Each part is one line or one block, so that a test replaces exactly what it is about.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirror.config import Config
from mirror.preflight.findings import Finding
from mirror.preflight.nginx.linter import lint
from tests.fakes import make_config

SINK = """
upstream app { server 127.0.0.1:3000; keepalive 8; }
upstream sink {
    server unix:/run/m.sock;
    server 127.0.0.1:9912 backup;
    keepalive 8;
}
server {
    location / {
        mirror /m;
        mirror_request_body off;
        proxy_pass http://app;
    }
    location = /m {
        internal;
        access_log off;
        client_max_body_size 0;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Mirror-Request-Id $request_id;
        proxy_set_header X-Mirror-Mode sink;
        proxy_connect_timeout 50ms;
        proxy_send_timeout 200ms;
        proxy_read_timeout 200ms;
        proxy_next_upstream off;
        proxy_pass http://sink$request_uri;
    }
}
"""
INLINE = """
map $http_upgrade $connection_header { websocket upgrade; }
upstream through {
    server unix:/run/m.sock;
    server 127.0.0.1:3000 backup;
    keepalive 8;
}
server {
    location / {
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_header;
        proxy_set_header Host $host;
        proxy_set_header X-Mirror-Mode inline;
        proxy_next_upstream error timeout;
        proxy_pass http://through;
    }
}
"""


def config_for(mode: str, **sections: Any) -> Config:
    """Return a sidecar at /run/m.sock whose shadow is 10.0.0.7:30080."""
    sections.setdefault("listen", "unix:/run/m.sock")
    sections.setdefault("shadow_url", "http://10.0.0.7:30080")
    return make_config(mode, primary=3000 if mode == "inline" else None, **sections)


def linted(
    folder: Path,
    text: str,
    replaced: Sequence[tuple[str, str]] = (),
    mode: str = "sink",
    **sections: Any,
) -> list[Finding]:
    """Return the findings about a configuration in which each old text gives way to a new one."""
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(f"events {{ }}\nhttp {{{text}}}\n")
    return faults(str(path), config_for(mode, **sections))


def faults(path: str, config: Config) -> list[Finding]:
    """Return the findings about a configuration, without the note about what was read."""
    return [found for found in lint(path, config) if found.code != "nginx.mirrored"]


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code.removeprefix("nginx.") for finding in findings]
