from estimator.routing.ingress_nginx import regexes


def test_a_location_ignores_case_and_is_a_prefix() -> None:
    assert regexes.begins("/[A-Z]{3}", b"/uuid/x")
    assert not regexes.begins("/foo$", b"/foobar")
    assert not regexes.begins("/foo", b"/a/foo")


def test_search_regards_case() -> None:
    assert not regexes.is_found("^/Foo", b"/foo")


def test_groups_are_put_in() -> None:
    assert regexes.replaced("/foo(/|$)(.*)", "/x/$2$7", b"/FOO/bar") == b"/x/bar"
    assert regexes.replaced("/a", "/x", b"/b") is None


def test_nginx_reads_two_backslashes_as_one() -> None:
    assert regexes.begins(r"/a\\.b", b"/a.b")
    assert not regexes.begins(r"/a\\.b", b"/axb")
    assert regexes.begins(r"/\d\.b", b"/1.b")
