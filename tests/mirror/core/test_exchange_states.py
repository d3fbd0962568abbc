"""Checks every pair of state and event; a pair that is not allowed raises an error."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core import exchange_states as exchange
from mirror.core.exchange_states import ENDED, TRANSITIONS, Event, State, after
from mirror.errors import LocalProtocolError

ALLOWED = """
    uploading   request_end      waiting
    uploading   response_head    early
    uploading   primary_failed   done_early
    uploading   downstream_lost  abandoned
    waiting     response_head    downloading
    waiting     primary_failed   failed
    waiting     downstream_lost  abandoned
    early       request_end      downloading
    early       response_end     done_early
    early       primary_failed   broken
    early       downstream_lost  abandoned
    downloading response_end     done
    downloading primary_failed   broken
    downloading downstream_lost  abandoned
    waiting     switched         tunnel
    tunnel      response_end     done
    tunnel      primary_failed   broken
    tunnel      downstream_lost  abandoned
    done_early  request_end      done
"""
EXPECTED = {
    (State(state), Event(event)): State(result)
    for state, event, result in (line.split() for line in ALLOWED.strip().splitlines())
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_leads_somewhere_or_raises(state: State, event: Event) -> None:
    if (state, event) in EXPECTED:
        assert after(state, event) is EXPECTED[state, event]
    else:
        with pytest.raises(LocalProtocolError, match=f"{event.value} in state {state.value}"):
            after(state, event)


def test_table_holds_nothing_else() -> None:
    assert TRANSITIONS == EXPECTED


def test_constants_are_the_members() -> None:
    for member in (*State, *Event):
        assert getattr(exchange, member.name) is member


def test_ended_states_hear_of_nothing_but_the_request() -> None:
    for state, event in TRANSITIONS:
        assert state not in ENDED or (state, event) == (State.DONE_EARLY, Event.REQUEST_END)


def test_docstring_names_every_state() -> None:
    assert exchange.__doc__ is not None
    named = set(re.findall(r"^    ([A-Z_]+) ", exchange.__doc__, re.MULTILINE))
    assert named == {state.name for state in State}


@given(st.lists(st.sampled_from(Event), max_size=12))
def test_any_history_ends_and_stays_ended(events: list[Event]) -> None:
    state = State.UPLOADING
    was_ended = False
    for event in events:
        if (state, event) in TRANSITIONS:
            state = after(state, event)
            assert not was_ended or state in ENDED
            was_ended = state in ENDED
