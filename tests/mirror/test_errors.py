"""Checks that errors state who is at fault and carry what their handler needs."""

import pytest

from mirror import errors
from mirror.errors import (
    ConfigError,
    InputError,
    ListenError,
    LocalProtocolError,
    MirrorError,
    RemoteProtocolError,
)


def test_every_error_is_one_of_ours() -> None:
    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    named = [kind for kind in kinds if issubclass(kind, Exception)]
    assert len(named) >= 6
    assert all(issubclass(kind, MirrorError) for kind in named)


def test_configuration_error_lists_every_problem() -> None:
    error = ConfigError("a.yaml", ["mode: bad", "listen: bad"])
    assert str(error) == "a.yaml: mode: bad\na.yaml: listen: bad"
    assert error.problems == ("mode: bad", "listen: bad")


def test_remote_error_carries_the_answer() -> None:
    error = RemoteProtocolError(431, "head_too_large")
    assert (error.status, error.reason) == (431, "head_too_large")
    assert str(error) == "431 head_too_large"


@pytest.mark.parametrize("kind", [LocalProtocolError, ListenError, InputError])
def test_other_errors_say_their_message(kind: type[MirrorError]) -> None:
    assert str(kind("what happened")) == "what happened"
