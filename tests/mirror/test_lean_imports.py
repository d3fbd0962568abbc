"""Checks that the two libraries load without the modules that the sidecar does not need."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import trustme

SHOW = """
import os, ssl, sys
from mirror.lean_imports import DogStatsd, web
from aiohttp import connector
print(DogStatsd.__name__, web.Application.__name__)
print(sorted({"requests", "urllib3"} & set(sys.modules)))
print(len(connector._SSL_CONTEXT_VERIFIED.get_ca_certs()))
import requests, urllib3
print(requests.get.__name__)
print(len(ssl.create_default_context().get_ca_certs()), os.environ.get("SSL_CERT_DIR"))
"""


def test_only_what_serves_is_loaded_and_the_rest_is_found_later(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    environment = {name: value for name, value in os.environ.items() if name != "SSL_CERT_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env=environment | {ssl.get_default_verify_paths().openssl_cafile_env: str(authority)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["DogStatsd Application", "[]", "0", "get", "1 None"]
