"""Checks that what nginx carries of generated odd requests, the sidecar carries as well."""

import pytest
import uvloop

from tests.fuzz.through_nginx import run
from tests.topology.conftest import require

pytestmark = pytest.mark.topology

COUNT = 3000
SEED = 7


def test_what_nginx_carries_we_carry() -> None:
    require("nginx")
    findings, ledgers, carried = uvloop.run(run(COUNT, SEED))
    assert not findings.counts, findings.examples
    assert carried > COUNT // 3
    for ledger in ledgers.values():
        assert ledger["balanced"]
        assert ledger["seen"] >= carried
        assert ledger["malformed"] == {}
