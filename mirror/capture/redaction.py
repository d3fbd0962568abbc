"""Removes secrets from records that are imported, and bodies unless they are to be kept."""

from dataclasses import replace

from mirror.core.redaction.redactor import Redactor
from mirror.formats.capture.record import Record


class Redaction:
    """What becomes of the secrets of one file."""

    def __init__(self, keeps_bodies: bool) -> None:
        self.redactor = Redactor()
        self.bodies = 0
        """Number of the bodies that were left out."""
        self._keeps_bodies = keeps_bodies

    def redacted(self, record: Record) -> Record:
        """Return the record without its secrets."""
        target = self.redactor.target(record.target)
        headers = self.redactor.fields(record.headers)
        body, body_bytes = record.body, record.body_bytes
        if body and not self._keeps_bodies:
            self.bodies += 1
            body_bytes = len(body)
            body = None
        elif target == record.target and headers == record.headers:
            return record
        return replace(record, target=target, headers=headers, body=body, body_bytes=body_bytes)
