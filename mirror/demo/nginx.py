"""nginx in its two roles: in front of production, and in the gateway Pod.

This module owns their configurations in a temporary directory, for an ordinary user or root, and
reads the access log that they write. The directives are those of deploy/nginx, which explains each
line; a test compares the two. It does not know what answers behind a port or a socket.
"""

import grp
import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.demo.processes import Child, Processes, accepts

LOG_FORMAT = """
    map $upstream_http_location $mirror_location {
        "~^(?<mirror_location_path>[^?#]*)" $mirror_location_path;
    }
    log_format mirror_json escape=json
        '{"id":"$request_id","time":"$msec","status":"$status","method":"$request_method",'
        '"host":"$http_host","uri":"$request_uri","upstream_s":"$upstream_response_time",'
        '"upstream":"$upstream_addr","upstream_bytes":"$upstream_response_length",'
        '"bytes":"$body_bytes_sent","completion":"$request_completion","location":"$mirror_location",'
        '"connection":"$connection","connection_requests":"$connection_requests","pid":"$pid",'
        '"hostname":"$hostname"}';
"""

HEADER_MAPS = """
    map $host $mirror_server_host { default $host; "" $hostname; }
    map $http_host $mirror_host { default $http_host; "" $mirror_server_host; }
    map $http_upgrade $mirror_upgrade { websocket websocket; }
    map $http_upgrade $mirror_connection { websocket upgrade; }
"""

PRODUCTION_HEADERS = """
            proxy_http_version 1.1;
            proxy_set_header Upgrade $mirror_upgrade;
            proxy_set_header Connection $mirror_connection;
            proxy_set_header Host $mirror_host;
            proxy_set_header X-Request-Id $request_id;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
"""

WITHOUT_BODIES = """
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
"""

SINK_LOCATION = """
        location = /__mirror {
            internal;
            access_log off;
            log_subrequest off;
            %(bodies)s
            client_max_body_size 0;
            proxy_buffer_size 1k;
            proxy_buffering off;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $mirror_host;
            proxy_set_header X-Request-Id $request_id;
            proxy_set_header X-Mirror-Request-Id $request_id;
            proxy_set_header X-Mirror-Mode sink;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_connect_timeout 50ms;
            proxy_send_timeout 200ms;
            proxy_read_timeout 200ms;
            proxy_next_upstream off;
            proxy_pass http://mirror_sink$request_uri;
        }
"""


def sink_site(
    port: int,
    app_port: int,
    sink: str,
    void_port: int,
    *,
    with_bodies: bool = False,
    also_logs: str = "",
) -> str:
    """Return a site that nginx serves alone, with a copy of each request to the sidecar at `sink`.

    `sink` is what nginx calls an address: `unix:/path` or `127.0.0.1:port`. On `void_port` nginx
    itself swallows the copies while the sidecar is out. `also_logs` are further `access_log`
    directives, which end the inheritance of the first.
    """
    body_switch = "" if with_bodies else "mirror_request_body off;"
    location = SINK_LOCATION % {"bodies": "" if with_bodies else WITHOUT_BODIES}
    return f"""
    upstream app {{ server 127.0.0.1:{app_port}; keepalive 64; }}
    upstream mirror_sink {{
        server {sink} max_fails=5 fail_timeout=1s;
        server 127.0.0.1:{void_port} backup;
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        {also_logs}
        location / {{
            mirror /__mirror;
            {body_switch}
            {PRODUCTION_HEADERS}
            proxy_pass http://app;
        }}
        {location}
    }}
    server {{
        listen 127.0.0.1:{void_port};
        access_log off;
        return 204;
    }}
"""


def inline_site(port: int, app_port: int, sidecar: str) -> str:
    """Return a site that goes through the sidecar, and bypasses it when it is down."""
    return f"""
    upstream app_through_mirror {{
        server {sidecar} max_fails=1 fail_timeout=1s;
        server 127.0.0.1:{app_port} backup;
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {PRODUCTION_HEADERS}
            proxy_set_header X-Mirror-Mode inline;
            proxy_set_header X-Mirror-Request-Id "";
            proxy_connect_timeout 1s;
            proxy_read_timeout 15s;
            proxy_next_upstream error timeout;
            proxy_pass http://app_through_mirror;
        }}
    }}
"""


def proxy_site(port: int, upstream_port: int) -> str:
    """Return a plain proxy: the nginx of the gateway Pod, which logs in front of Envoy."""
    return f"""
    upstream app {{ server 127.0.0.1:{upstream_port}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {PRODUCTION_HEADERS}
            proxy_pass http://app;
        }}
    }}
"""


def main_config(site: str, directory: Path, user: str | None = None) -> str:
    """Return the whole file; everything that nginx writes goes below `directory`.

    As root it needs a `user`, else its workers become one who may not enter that directory; as
    anybody else the directive is refused with a warning.
    """
    owner = f"user {user or _current_user()};" if os.geteuid() == 0 else ""
    temp_paths = "\n".join(
        f"    {kind}_temp_path {directory}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
{owner}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
{temp_paths}
    {LOG_FORMAT}
    {HEADER_MAPS}
    access_log {directory}/access.log mirror_json;
    keepalive_requests 1000000;
    {site}
}}
"""


def _current_user() -> str:
    return f"{pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    child: Child
    port: int
    access_log: Path

    def logged(self) -> list[dict[str, Any]]:
        """Return the access log so far, one entry for each complete line."""
        if not self.access_log.exists():
            return []
        complete, _, _ = self.access_log.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]


def start_nginx(
    processes: Processes,
    home: Path,
    binary: Path,
    *,
    site: str,
    port: int,
    user: str | None = None,
) -> Nginx:
    """Start nginx and wait until it accepts. Its files go to `home`, which also names it.

    The probe for readiness is a connection without a request: nothing enters the access log.
    """
    home.mkdir()
    path = home / "nginx.conf"
    path.write_text(main_config(site, home, user))
    child = processes.start(home.name, nginx_command(binary, path))
    child.wait_until(lambda: accepts(port))
    return Nginx(child, port, home / "access.log")


def nginx_command(binary: Path, config: Path) -> list[str | Path]:
    """Return the command. Without `-e stderr` nginx opens /var/log/nginx before its own file."""
    return [binary, "-e", "stderr", "-p", config.parent, "-c", config]
