"""Checks that expressions are judged as PCRE would, or said not to be, and within a bound."""

import signal

import pytest

from mirror.preflight.nginx import expressions
from mirror.preflight.nginx.expressions import Expressions, PatternError

ENDLESS = ("^/(a|a)*$", False, "/" + "a" * 60 + "!")
"""Some 2^60 steps."""


@pytest.mark.parametrize(
    ("pattern", "ignores_case", "uri", "fits"),
    [
        (r"\.png$", False, "/a.png", True),
        (r"\.png$", False, "/a.PNG", False),
        (r"\.png$", True, "/a.PNG", True),
        (r"^/(?<lang>\w+)/(?!api)", False, "/de/x", True),
        (r"^/(?<lang>\w+)/(?!api)", False, "/de/api", False),
        (r"^/\w+$", False, "/\xe4", False),
        ("^/(a+)+$", False, "/" + "a" * 60, True),
    ],
)
def test_an_expression_fits_as_in_pcre(
    pattern: str, ignores_case: bool, uri: str, fits: bool
) -> None:
    assert Expressions().fits(pattern, ignores_case, uri) is fits


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(?|b", "unknown extension"),
        ("[[:alpha:]]", "Possible nested set"),
        ("a{9999999999}", "too large"),
        ("(?u)a", "incompatible"),
        ("(" * 4000, "Python cannot read it"),
        ("a" * 4097, "more than 4,096 characters"),
    ],
)
def test_an_expression_that_python_cannot_judge_is_no_guess(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        Expressions().fits(pattern, False, "/a")


def test_an_endless_search_ends_and_uses_up_the_time_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expressions, "MOST_S", 0.05)
    before = signal.getsignal(signal.SIGVTALRM)
    judged = Expressions()
    for question in (ENDLESS, ENDLESS, ("a", False, "/a")):
        with pytest.raises(PatternError, match=r"took 0\.05 s, which is the most"):
            judged.fits(*question)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert Expressions().fits("a", False, "/a")
