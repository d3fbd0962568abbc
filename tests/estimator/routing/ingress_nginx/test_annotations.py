from estimator.routing.ingress_nginx.annotations import PREFIX, Annotations, read_annotations


def read(**values: str) -> Annotations:
    return read_annotations({PREFIX + key.replace("_", "-"): text for key, text in values.items()})


def test_nothing_is_asked_for_without_annotations() -> None:
    assert read_annotations({"kubernetes.io/ingress.class": "nginx"}) == Annotations()


def test_go_reads_true() -> None:
    assert read(use_regex="True").use_regex
    assert not read(use_regex="yes").use_regex
    assert not read(ssl_redirect="false").ssl_redirect


def test_a_temporal_redirect_counts_more() -> None:
    asked = read(temporal_redirect="https://b", permanent_redirect="https://c")
    assert (asked.redirect, asked.redirect_status) == ("https://b", 302)
    asked = read(permanent_redirect="https://c", permanent_redirect_code="308")
    assert (asked.redirect, asked.redirect_status) == ("https://c", 308)


def test_what_may_decide_is_named() -> None:
    asked = read(auth_url="http://auth", configuration_snippet="return 418;", server_snippet="x")
    assert asked.unjudged == (PREFIX + "auth-url", PREFIX + "configuration-snippet")
    assert asked.unjudged_of_server == (PREFIX + "server-snippet",)


def test_an_unknown_annotation_is_named() -> None:
    assert read(brand_new="1").unjudged == (PREFIX + "brand-new",)


def test_what_never_decides_is_passed_over() -> None:
    assert read(proxy_body_size="8m", affinity="cookie", cors_allow_origin="*").unjudged == ()


def test_canary_details_count_with_a_canary_only() -> None:
    assert read(canary_weight="10").unjudged == ()
    assert read(canary="true", canary_weight="10").unjudged == (PREFIX + "canary-weight",)
