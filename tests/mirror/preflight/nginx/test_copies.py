"""Checks each mistake that a mirror location can have, one at a time."""

from pathlib import Path
from typing import Any

import pytest

from mirror.preflight.nginx.copies import read_bytes, read_seconds
from tests.mirror.preflight.nginx.configurations import SINK, codes, linted

ACCESS_LOG = "        access_log off;\n"
TWO_HEADERS = 'proxy_set_header Connection "";\n        proxy_set_header Host $http_host;'


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("internal;", "", "internal"),
        (ACCESS_LOG, "", "access_log"),
        (ACCESS_LOG, "access_log off; log_subrequest on;\n", None),
        (ACCESS_LOG, "log_subrequest on;\n", "log_subrequest"),
        ("sink$request_uri", "sink", "request_uri"),
        ("sink$request_uri", "sink/", "request_uri"),
        ("sink$request_uri", "sink$uri$is_args$args", "not_judged"),
        ("proxy_set_header X-Mirror-Request-Id $request_id;", "", "request_id"),
        ("X-Mirror-Request-Id $request_id", "X-Mirror-Request-Id fixed", "request_id"),
        ("X-Mirror-Request-Id", "x-mirror-request-id", None),
        ("proxy_set_header X-Mirror-Mode sink;", "", "mode_header"),
        ("X-Mirror-Mode sink", "X-Mirror-Mode inline", "mode_header"),
        ("X-Mirror-Mode sink", "x-mirror-mode sink", None),
        ("mirror_request_body off;", "", "body_buffering"),
        ("mirror_request_body off;", "mirror_request_body on;", "body_buffering"),
        ('proxy_set_header Content-Length "";', "", "content_length"),
        ("client_max_body_size 0;", "", None),  # the same as production's
        ("client_max_body_size 0;", "client_max_body_size 8k;", "body_size"),
        ("client_max_body_size 0;", "client_max_body_size 2m;", None),
        ("server {", "large_client_header_buffers 8 8k; server {", None),
        ("server {", "server { large_client_header_buffers 4 16k;", "long_targets"),
        ("proxy_connect_timeout 50ms;", "", "timeouts"),
        ("proxy_send_timeout 200ms", "proxy_send_timeout 1m", "timeouts"),
        ("proxy_read_timeout 200ms", "proxy_read_timeout 5", "timeouts"),
        ("proxy_read_timeout 200ms", "proxy_read_timeout 1s", None),
        ("proxy_next_upstream off;", "", "next_upstream"),
        ("proxy_next_upstream off;", "proxy_next_upstream error;", "next_upstream"),
    ],
)
def test_each_mistake_is_one_finding_at_its_line(
    tmp_path: Path, old: str, new: str, code: str | None
) -> None:
    found = linted(tmp_path, SINK, [(old, new)])
    assert codes(found) == ([code] if code else [])
    for finding in found:
        file, _, line = finding.where.rpartition(":")
        assert file == str(tmp_path / "nginx.conf") and line.isdigit()


def test_what_is_set_further_up_is_in_force(tmp_path: Path) -> None:
    """Checks nginx's inheritance: by name, and of headers only where a level sets none."""
    on_top = "log_subrequest on; access_log off; upstream app"
    assert linted(tmp_path, SINK, [(ACCESS_LOG, ""), ("\nupstream app", f"\n{on_top}")]) == []
    on_top = "log_subrequest on; upstream app"
    (finding,) = linted(tmp_path, SINK, [(ACCESS_LOG, ""), ("\nupstream app", f"\n{on_top}")])
    assert finding.code == "nginx.log_subrequest" and finding.severity == "refused"
    assert finding.where.endswith("nginx.conf:3")
    headers = "server {\n" + TWO_HEADERS
    found = linted(tmp_path, SINK, [(TWO_HEADERS, ""), ("server {\n", headers)])
    assert codes(found) == ["connection", "host"]
    assert "end the inheritance" in found[0].what


def test_production_takes_larger_bodies(tmp_path: Path) -> None:
    larger = "mirror /m; client_max_body_size 8m;"
    (finding,) = linted(tmp_path, SINK, [("mirror /m;", larger), ("client_max_body_size 0;", "")])
    assert finding.code == "nginx.body_size"
    assert "client_max_body_size is 1m in location = /m, less than in location /." in finding.what
    unlimited = "mirror /m; client_max_body_size 0;"
    found = linted(
        tmp_path,
        SINK,
        [
            ("mirror /m;", unlimited),
            ("        client_max_body_size 0;", "client_max_body_size 9m;"),
        ],
    )
    assert codes(found) == ["body_size"]


@pytest.mark.parametrize(
    ("sections", "replaced", "code"),
    [
        ({"shadow_methods": ["GET", "POST"]}, [], ["body_missing"]),
        ({"shadow_methods": ["GET", "DELETE"]}, [], []),
        (
            {"shadow_methods": ["GET", "POST"]},
            [("mirror_request_body off;", ""), ('proxy_set_header Content-Length "";', "")],
            [],
        ),
        (
            {"capture": {"path": "c", "max_body_bytes": 100}},
            [("mirror_request_body off;", "")],
            [],
        ),
        (
            {"request_id_header": None},
            [("proxy_set_header X-Mirror-Request-Id $request_id;", "")],
            [],
        ),
        ({"request_id_header": "X-Other"}, [], ["request_id"]),
    ],
)
def test_the_sidecars_configuration_decides_what_is_needed(
    tmp_path: Path, sections: dict[str, Any], replaced: list[tuple[str, str]], code: list[str]
) -> None:
    assert codes(linted(tmp_path, SINK, replaced, **sections)) == code


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("50ms", 0.05), ("5", 5.0), ("1m30s", 90.0), ("1d", 86400.0), ("$time", None), ("", None)],
)
def test_times_of_nginx(text: str, seconds: float | None) -> None:
    assert read_seconds(text) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("8k", 8192), ("1M", 1 << 20), ("2g", 2 << 30), ("x", None)]
)
def test_sizes_of_nginx(text: str, size: int | None) -> None:
    assert read_bytes(text) == size
