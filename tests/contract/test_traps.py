"""Lists every trap in reading from Datadog, with the test that guards against it.

A trap is a default or a failure that would silently give a wrong number, or none. test_datagrams.py
has the traps in sending.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERIES = "tests/estimator/series"
TRAPS = {
    # storage and aggregation at Datadog
    "the default rollup is an average": (
        f"{SERIES}/test_datadog_query.py",
        "test_default_rollup_is_never_used",
    ),
    "a query's own rollup, or avg: and max:, hide what instances add up to": (
        f"{SERIES}/test_datadog_query.py",
        "test_what_could_hide_a_peak_is_refused",
    ),
    "a sum of instances' own maxima is more than the fleet ever had": (
        f"{SERIES}/test_datadog.py",
        "test_sum_of_instances_own_peaks_is_an_upper_bound",
    ),
    "routes peak in different seconds": (
        f"{SERIES}/test_datadog.py",
        "test_the_peak_of_several_routes_is_exact",
    ),
    "gauges are interpolated where an instance is gone": (
        f"{SERIES}/test_datadog_query.py",
        "test_queries_of_others_get_our_rollup",
    ),
    "a count is the sum of its interval, not a rate": (
        f"{SERIES}/test_datadog.py",
        "test_counts_become_rps",
    ),
    "beyond 1500 points the interval widens without a word": (
        f"{SERIES}/test_datadog.py",
        "test_interval_that_came_back_is_checked",
    ),
    "windows must fit the point limit": (
        f"{SERIES}/test_datadog.py",
        "test_windows_are_a_day_and_aligned",
    ),
    "buckets align to Unix time": (
        f"{SERIES}/test_datadog.py",
        "test_windows_do_not_move_with_the_time_of_a_run",
    ),
    "the last bucket of a window comes cut off": (
        f"{SERIES}/test_datadog.py",
        "test_cut_off_bucket_at_a_window_end_is_not_taken",
    ),
    "empty buckets are absent, not zero": (
        f"{SERIES}/test_datadog.py",
        "test_absent_buckets_are_gaps",
    ),
    "points without the route tag are traffic": (
        f"{SERIES}/test_datadog.py",
        "test_points_without_route_are_other",
    ),
    "tags are stored in lower case": (
        f"{SERIES}/test_datadog_query.py",
        "test_every_filter_narrows_the_scope",
    ),
    # the API
    "DD_SITE is ignored by the client": (
        "tests/estimator/commands/test_estimate.py",
        "test_dd_site_is_honoured",
    ),
    "a site that does not exist": (
        "tests/estimator/commands/test_estimate.py",
        "test_a_site_that_does_not_exist_is_told_the_list",
    ),
    "200 with status: error": (
        f"{SERIES}/test_datadog_api.py",
        "test_status_error_inside_200_is_an_error",
    ),
    "200 with errors": (
        f"{SERIES}/test_datadog_api.py",
        "test_errors_key_inside_200_is_an_error",
    ),
    "200 without series": (
        f"{SERIES}/test_datadog_api.py",
        "test_200_without_series_is_an_error",
    ),
    "an empty or undocumented body": (
        f"{SERIES}/test_datadog_api.py",
        "test_undocumented_body_is_refused",
    ),
    "HTML in the place of JSON": (
        f"{SERIES}/test_datadog_api.py",
        "test_html_instead_of_json_names_the_proxy",
    ),
    "400, 401, 403 and 404 are no data": (
        f"{SERIES}/test_datadog_api.py",
        "test_4xx_says_what_to_check",
    ),
    "403 as HTML": (f"{SERIES}/test_datadog_api.py", "test_403_as_html_is_still_a_403"),
    "429 tells when it ends": (
        f"{SERIES}/test_datadog_api.py",
        "test_429_waits_as_long_as_it_is_told",
    ),
    "429 as HTML": (f"{SERIES}/test_datadog_api.py", "test_429_as_html_is_still_a_429"),
    "429 without a body or a usable reset": (
        f"{SERIES}/test_datadog_api.py",
        "test_429_without_usable_reset_backs_off",
    ),
    "the last request of a period leaves none": (
        f"{SERIES}/test_datadog_api.py",
        "test_used_up_rate_limit_pauses_before_the_next",
    ),
    "5xx": (f"{SERIES}/test_datadog_api.py", "test_5xx_is_tried_again"),
    "silence": (f"{SERIES}/test_datadog_api.py", "test_silence_is_tried_again"),
    "a name that does not resolve, a refused connection": (
        f"{SERIES}/test_datadog_api.py",
        "test_nobody_there_says_check_the_site",
    ),
    "from and to as fractions are a 400": (
        f"{SERIES}/test_datadog_api.py",
        "test_from_and_to_are_integers",
    ),
    "unit is null and keys are undocumented": (
        f"{SERIES}/test_datadog_api.py",
        "test_unit_null_and_unknown_keys_are_read",
    ),
    "instants are int or float, in any order": (
        f"{SERIES}/test_datadog.py",
        "test_timestamps_may_be_int_or_float_and_unordered",
    ),
    "null points": (f"{SERIES}/test_datadog.py", "test_null_values_are_gaps"),
    "a wrong metric, tag or site answers with nothing": (
        f"{SERIES}/test_datadog.py",
        "test_empty_result_says_what_to_check",
    ),
    "keys in messages": (
        "tests/estimator/commands/test_estimate.py",
        "test_wrong_keys_say_so_and_are_not_shown",
    ),
    "keys that follow a redirect": (
        f"{SERIES}/test_datadog_api.py",
        "test_keys_do_not_follow_a_redirect",
    ),
    "a clock that is off": (f"{SERIES}/test_datadog.py", "test_a_clock_that_is_off_is_said"),
    "a kept answer of a window that late points change": (
        f"{SERIES}/test_datadog_cache.py",
        "test_a_window_that_may_change_is_not_kept",
    ),
    "a kept answer of another organisation": (
        f"{SERIES}/test_datadog_cache.py",
        "test_another_site_key_or_query_shares_nothing",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_has_its_test(trap: str) -> None:
    path, name = TRAPS[trap]
    tree = ast.parse((ROOT / path).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name in names, f"{path} has no {name}"
