"""What one worker keeps of its legs, so that production's answers and the shadow's are compared.

In mode inline both answers are here, and pairs are judged at once (core/comparison/pairs.py). In
mode sink the copies go to the supervisor, which has production's log (core/comparison/copies.py).
"""

from mirror.config import Config
from mirror.core.comparison.answer import TLS, UNKNOWN_BYTES, Answer
from mirror.core.comparison.copies import Copies
from mirror.core.comparison.envoy_reply import ReplyReader
from mirror.core.comparison.examples import Examples, RequestReader
from mirror.core.comparison.pairs import Pair, Pairs
from mirror.core.comparison.piece import Piece
from mirror.core.redaction.redactor import Redactor
from mirror.core.worker_ledger import Ledger
from mirror.proxy.shadow_leg import ShadowLeg


class Comparing:
    """The comparison's share of a worker; `pairs` and `copies` are None where it is switched off.

    Each ended leg is passed to `leg_ended` once, and each ended primary leg of an exchange that has
    a pair to `primary_ended`.
    """

    def __init__(self, config: Config, counts: Ledger) -> None:
        self._replies = ReplyReader()
        self._examples: Examples | None = None
        self.pairs: Pairs | None = None
        self.copies: Copies | None = None
        self._reader: RequestReader | None = None
        is_inline = config.mode == "inline"
        if config.compares:
            redactor = Redactor((), config.capture.query_keys)
            reader = self._reader = RequestReader(config.request_id_header, redactor)
            if is_inline:
                self._examples = Examples(reader)
                self.pairs = Pairs(counts, self._examples)
            else:
                self.copies = Copies(counts, reader)

    def new_pair(self, route: str) -> Pair | None:
        """Return the pair of a request that gets shadow legs; None where no pair is judged here."""
        return None if self.pairs is None else Pair(route)

    def leg_ended(
        self, leg: ShadowLeg, outcome: str, latency_us: int, is_of_tls: bool = False
    ) -> Answer:
        """Take the end of a shadow leg, and return its answer.

        `is_of_tls` says that no connection was made because the TLS handshake failed.
        """
        if is_of_tls:
            answer = Answer(0, outcome, latency_us, UNKNOWN_BYTES, False, TLS)
        elif leg.opening:
            answer = self._replies.answer(
                outcome, leg.status, latency_us, leg.body_bytes, leg.opening
            )
        else:
            answer = Answer(leg.status, outcome, latency_us, leg.body_bytes)
        if answer.location and self._reader is not None:
            answer.base = self._reader.base_of(leg.data)
        if self.pairs is not None:
            if leg.is_extra:
                self.pairs.extra_ended(leg.route)
            elif leg.pair is not None:
                self.pairs.shadow_ended(leg.pair, answer, leg.data)
        elif self.copies is not None:
            if leg.is_extra:
                self.copies.extra_ended(leg.route)
            else:
                self.copies.shadow_ended(leg.route, answer, leg.data)
        return answer

    def primary_ended(self, pair: Pair, answer: Answer, request: bytes) -> None:
        """Take the end of a primary leg; `request` begins as the shadow's request does."""
        assert self.pairs is not None
        self.pairs.primary_ended(pair, answer, request)

    def piece(self) -> Piece | None:
        """Return this part of the next report; None where the comparison is switched off."""
        if self.pairs is not None and self._examples is not None:
            examples, not_kept = self._examples.take()
            waiting = self.pairs.waiting
            return Piece(waiting, [], examples, not_kept, self._replies.shows_origin)
        if self.copies is not None:
            return Piece(0, self.copies.take(), [], 0, self._replies.shows_origin)
        return None
