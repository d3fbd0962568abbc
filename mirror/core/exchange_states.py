"""The states of one inline exchange: a downstream request and its primary leg.

The request and the response end independently, and either side may leave at any point. The table
says what each event means in each state; a pair that is missing from it is a bug and raises. The
shadow has no part here: no state waits for it.

    state          request complete   response begun
    UPLOADING      no                 no
    WAITING        yes                no
    EARLY          no                 yes      the primary answers before it has read everything
    DOWNLOADING    yes                yes
    TUNNEL         yes                101      both sides now speak another protocol
    DONE           yes                complete the downstream may send its next request
    DONE_EARLY     no                 complete answered (by the primary or by an error of ours)
                                               before the request's end: read on, then close
    FAILED         yes                none     the primary leg failed, an error was answered
    BROKEN         any                begun    the primary leg failed, the downstream is closed
    ABANDONED      any                any      the downstream left, or broke its request
"""

from enum import StrEnum

from mirror.errors import LocalProtocolError


class State(StrEnum):
    """A StrEnum, whose hash is computed in C, because every request edge looks up the table."""

    UPLOADING = "uploading"
    WAITING = "waiting"
    EARLY = "early"
    DOWNLOADING = "downloading"
    TUNNEL = "tunnel"
    DONE = "done"
    DONE_EARLY = "done_early"
    FAILED = "failed"
    BROKEN = "broken"
    ABANDONED = "abandoned"


class Event(StrEnum):
    REQUEST_END = "request_end"
    RESPONSE_HEAD = "response_head"
    RESPONSE_END = "response_end"
    SWITCHED = "switched"
    PRIMARY_FAILED = "primary_failed"
    DOWNSTREAM_LOST = "downstream_lost"


UPLOADING = State.UPLOADING
WAITING = State.WAITING
EARLY = State.EARLY
DOWNLOADING = State.DOWNLOADING
TUNNEL = State.TUNNEL
DONE = State.DONE
DONE_EARLY = State.DONE_EARLY
FAILED = State.FAILED
BROKEN = State.BROKEN
ABANDONED = State.ABANDONED

REQUEST_END = Event.REQUEST_END
RESPONSE_HEAD = Event.RESPONSE_HEAD
RESPONSE_END = Event.RESPONSE_END
SWITCHED = Event.SWITCHED
PRIMARY_FAILED = Event.PRIMARY_FAILED
DOWNSTREAM_LOST = Event.DOWNSTREAM_LOST

TRANSITIONS: dict[tuple[State, Event], State] = {
    (UPLOADING, REQUEST_END): WAITING,
    (UPLOADING, RESPONSE_HEAD): EARLY,
    (UPLOADING, PRIMARY_FAILED): DONE_EARLY,
    (UPLOADING, DOWNSTREAM_LOST): ABANDONED,
    (WAITING, RESPONSE_HEAD): DOWNLOADING,
    (WAITING, PRIMARY_FAILED): FAILED,
    (WAITING, DOWNSTREAM_LOST): ABANDONED,
    (EARLY, REQUEST_END): DOWNLOADING,
    (EARLY, RESPONSE_END): DONE_EARLY,
    (EARLY, PRIMARY_FAILED): BROKEN,
    (EARLY, DOWNSTREAM_LOST): ABANDONED,
    (DOWNLOADING, RESPONSE_END): DONE,
    (DOWNLOADING, PRIMARY_FAILED): BROKEN,
    (DOWNLOADING, DOWNSTREAM_LOST): ABANDONED,
    (WAITING, SWITCHED): TUNNEL,
    (TUNNEL, RESPONSE_END): DONE,
    (TUNNEL, PRIMARY_FAILED): BROKEN,
    (TUNNEL, DOWNSTREAM_LOST): ABANDONED,
    (DONE_EARLY, REQUEST_END): DONE,
}

ENDED = frozenset({DONE, DONE_EARLY, FAILED, BROKEN, ABANDONED})


def after(state: State, event: Event) -> State:
    """Return the next state. Raises LocalProtocolError, which names both, for an illegal pair."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise LocalProtocolError(f"{event.value} in state {state.value}") from None
