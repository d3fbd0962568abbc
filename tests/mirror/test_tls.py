"""Checks the minimum version of TLS under any OpenSSL configuration, and the trusted CAs."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from mirror.tls import client_context

# The interpreter reads OpenSSL's configuration when it starts.
SHOW = """
import ssl
from mirror.tls import client_context
print(int(ssl.create_default_context().minimum_version), int(client_context().minimum_version))
"""
CONFIGURATION = """
openssl_conf = start
[start]
ssl_conf = sections
[sections]
system_default = defaults
[defaults]
MinProtocol = {}
"""


@pytest.mark.parametrize("configured", ["TLSv1", "TLSv1.3"])
def test_minimum_is_tls_1_2_or_what_the_system_requires(configured: str, tmp_path: Path) -> None:
    path = tmp_path / "openssl.cnf"
    path.write_text(CONFIGURATION.format(configured))
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env=os.environ | {"OPENSSL_CONF": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    default, ours = (int(word) for word in done.stdout.split())
    assert ours == max(default, ssl.TLSVersion.TLSv1_2)


def test_certificate_and_name_are_verified() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_only_the_authorities_of_a_given_file_are_trusted(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    assert len(client_context(str(path)).get_ca_certs()) == 1
    with pytest.raises(OSError, match="No such file"):
        client_context(str(tmp_path / "none.pem"))
