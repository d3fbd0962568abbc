from estimator.routing.request import Request


def test_headers_are_unknown_unless_recorded() -> None:
    assert Request("", "GET", "/").headers is None
