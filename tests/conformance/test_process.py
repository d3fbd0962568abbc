"""Runs the same rows over real sockets against `python -m mirror serve` or another build."""

import signal

import pytest

from tests.conformance.process import Served
from tests.conformance.rows import Row
from tests.conformance.tables import ROWS
from tests.conformance.wire import PATIENCE_S, End

CASES = [
    pytest.param(row, mode, id=f"{row.clause} [{mode}]")
    for row in ROWS
    for mode in row.modes
    # These rows need another configuration, or reset a socket, which may lose what was sent before.
    if row.forwarded == "pass" and all(reply.end is not End.RESET for reply in row.replies)
]


@pytest.mark.parametrize(("row", "mode"), CASES)
def test_clause_holds_on_sockets(served: dict[str, Served], row: Row, mode: str) -> None:
    served[mode].play(row)


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_ledger_adds_up_behind_all_rows(served: dict[str, Served], mode: str) -> None:
    ledger = served[mode].sidecar.settled_ledger()
    assert ledger["balanced"] and not ledger["in_flight"] and not ledger["reading"]
    assert ledger["seen"] > 100 and sum(ledger["malformed"].values()) > 100


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_nothing_is_left_to_drain_behind_all_rows(served: dict[str, Served], mode: str) -> None:
    child = served[mode].sidecar.child
    child.send_signal(signal.SIGTERM)
    assert child.wait(PATIENCE_S) == 0  # 1 if a connection had to be cut
