"""docs/metrics.md names every metric the ledger counts, with its tag and its labels."""

import re
from pathlib import Path

from mirror.core import budget, ledger, selection

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/metrics.md").read_text()
ROWS = {
    match[1]: match[0]
    for match in re.finditer(r"^\| `mirror\.([a-z_.]+)` \|.*$", TEXT, re.MULTILINE)
}


def test_every_metric_has_a_row_and_every_row_a_metric() -> None:
    assert set(ROWS) == {"rps", *ledger.LABEL_TAGS}


def test_every_row_names_the_metrics_own_tag() -> None:
    for metric, tag in ledger.LABEL_TAGS.items():
        assert (f"`{tag}`" in ROWS[metric]) if tag else ("| |" in ROWS[metric]), metric


def test_every_reason_and_outcome_is_listed() -> None:
    for reason in (selection.METHOD, selection.RATIO, selection.UPGRADE):
        assert f"`{reason}`" in ROWS[ledger.NOT_SELECTED]
    reasons = {value for name, value in vars(budget).items() if name.isupper()}
    for reason in {*reasons, ledger.WORKER_LOST}:
        assert f"`{reason}`" in ROWS[ledger.SHED]
    for outcome in (
        *ledger.STATUS_CLASSES[1:],
        ledger.CONNECT_FAILED,
        ledger.RESET,
        ledger.PROTOCOL_ERROR,
        ledger.TIMEOUT,
        ledger.ABORTED,
        ledger.WORKER_LOST,
    ):
        assert f"`{outcome}`" in TEXT


def test_every_reason_of_a_refusal_is_listed() -> None:
    sources = "".join(
        (ROOT / "mirror" / name).read_text()
        for name in ("core/http1.py", "proxy/downstream.py", "proxy/inline.py")
    )
    # 502 is for what the primary sends; after_close is not read and so not counted.
    refusals = re.findall(r'(?:RemoteProtocolError|refuse)\((?!502)\d+, "([a-z_]+)"\)', sources)
    for reason in set(refusals) - {"after_close"}:
        assert f"`{reason}`" in ROWS[ledger.MALFORMED], reason
