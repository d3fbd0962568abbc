"""Whether a regular expression of a location fits a URI, within a bound of time.

nginx asks PCRE, which gives up at its match limit: nginx 1.22 then logs `pcre2_match() failed: -47`
and answers 500. Python's re has no such limit, but it lets signals in while it searches, so a timer
of this process's cpu time ends it. What cannot be answered is an error, never a guess.
"""

import re
import signal
import time
import warnings
from types import FrameType
from typing import NoReturn

MOST_S = 2
"""Most seconds of cpu that all regular expressions of a check may take."""
LONGEST = 4096
"""Most characters of an expression or a URI; nginx refuses a longer argument (NGX_CONF_BUFFER)."""
_NAMED_GROUP = re.compile(r"\(\?<(?=\w)")


class PatternError(ValueError):
    """A regular expression cannot be judged here; the text says why."""


class Expressions:
    """Matches the expressions of one check, all of which share the bound of time."""

    def __init__(self) -> None:
        self._left_s = float(MOST_S)

    def fits(self, pattern: str, ignores_case: bool, uri: str) -> bool:
        """Say whether an expression fits somewhere in a URI. Raises PatternError.

        It may be called in the main thread only, the one that gets signals.
        """
        if max(len(pattern), len(uri)) > LONGEST:
            raise PatternError(f"more than {LONGEST:,} characters, which nginx refuses, too")
        if self._left_s <= 0:
            raise self._too_slow()
        before = signal.signal(signal.SIGVTALRM, _stop)
        started_s = time.process_time()
        try:
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, self._left_s)
                return _search(pattern, ignores_case, uri)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except TimeoutError:
            self._left_s = 0
            raise self._too_slow() from None
        finally:
            signal.signal(signal.SIGVTALRM, before)
            self._left_s -= time.process_time() - started_s

    def _too_slow(self) -> PatternError:
        return PatternError(
            f"the expressions of this check took {MOST_S} s, which is the most; "
            "nginx may answer 500 where one needs very many steps"
        )


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError


def _search(pattern: str, ignores_case: bool, uri: str) -> bool:
    # nginx gives PCRE bytes, in which \w and the like are ASCII.
    flags = re.ASCII | (re.IGNORECASE if ignores_case else 0)
    try:
        with warnings.catch_warnings():
            # PCRE knows classes such as [[:alpha:]], and Python only warns that it does not.
            warnings.simplefilter("error", FutureWarning)
            # PCRE also names groups as Python does not: (?<name>...).
            expression = re.compile(_NAMED_GROUP.sub("(?P<", pattern), flags)
        return expression.search(uri) is not None
    except (re.error, ValueError, OverflowError, RecursionError, FutureWarning) as error:
        raise PatternError(f"Python cannot read it: {error}") from error
