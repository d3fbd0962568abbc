from mirror.comparison.report.words import (
    LOG_LOSSES,
    RESULTS,
    UNCOMPARED,
    reason_words_of,
    words_of,
)
from mirror.core.comparison import verdict
from mirror.formats.comparison import is_new_error
from mirror.metrics.catalogue import METRICS


def test_every_result_and_reason_has_its_words() -> None:
    assert set(RESULTS) == set(verdict.RESULTS)
    assert set(UNCOMPARED) == set(verdict.UNCOMPARED)
    assert set(LOG_LOSSES) == set(METRICS["log.lost"].labels)


def test_every_new_error_says_what_to_do() -> None:
    for result, words in RESULTS.items():
        assert words.meaning.endswith(".") and (words.advice or not is_new_error(result)), result


def test_what_a_newer_sidecar_says_is_shown_by_its_name() -> None:
    assert words_of("sideways").title == "sideways"
    assert "does not know the reason 'lost'" in reason_words_of("lost").meaning
