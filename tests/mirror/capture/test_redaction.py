"""Checks what becomes of secrets and bodies of imported records."""

from mirror.capture.redaction import Redaction
from mirror.formats.capture.record import Record


def test_secrets_and_bodies_are_removed() -> None:
    redaction = Redaction(keeps_bodies=False)
    record = Record(
        1, "POST", "a", "/x?token=1&b=2", (("Cookie", "s=1"), ("Accept", "*/*")), b"body"
    )
    kept = redaction.redacted(record)
    assert (kept.target, kept.headers) == ("/x?b=2", (("Accept", "*/*"),))
    assert (kept.body, kept.body_bytes, redaction.bodies) == (None, 4, 1)
    assert redaction.redactor.redacted == 2


def test_bodies_may_be_kept() -> None:
    redaction = Redaction(keeps_bodies=True)
    record = Record(1, "POST", "a", "/x", (), b"body")
    assert redaction.redacted(record) is record
    assert redaction.bodies == 0
