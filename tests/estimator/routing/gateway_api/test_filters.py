"""Tests estimator.routing.gateway_api.filters."""

import pytest

from estimator.routing.conditions import Kind, Text
from estimator.routing.gateway_api.filters import Filters, PathModifier, RedirectTo, read_filters
from estimator.routing.rewrites import changed_target
from estimator.routing.rules import ReplacePath, ReplacePrefix
from tests.estimator.routing.gateway_api.conftest import part, problems_of, warnings_of

SHOP = Text(Kind.SEGMENTS, "/foo")
ROOT = Text(Kind.PREFIX, "/")


def read(filters: str, is_of_backend: bool = False) -> Filters:
    rule = part(f"filters: [{filters}]\n")
    found = read_filters(rule, is_of_backend)
    assert not problems_of(rule)
    return found


def problems(filters: str) -> list[str]:
    rule = part(f"filters: [{filters}]\n")
    read_filters(rule)
    return problems_of(rule)


@pytest.mark.parametrize(
    ("path", "by", "expected"),
    [
        # The table of the specification, at ReplacePrefixMatch.
        ("/foo/bar", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/xyz/", "/xyz/bar"),
        ("/foo", "/xyz", "/xyz"),
        ("/foo/", "/xyz", "/xyz/"),
        ("/foo/bar", "", "/bar"),
        ("/foo/", "", "/"),
        ("/foo", "", "/"),
        ("/foo/", "/", "/"),
        ("/foo", "/", "/"),
        ("/foo/bar?q=/foo", "/", "/bar?q=/foo"),
    ],
)
def test_a_rewrite_replaces_the_prefix(path: str, by: str, expected: str) -> None:
    assert changed_target(path, PathModifier(False, by).rewritten(SHOP)) == expected


def test_a_rewrite_escapes_the_prefix() -> None:
    change = PathModifier(False, "/").rewritten(Text(Kind.SEGMENTS, "/a.b+c"))
    assert changed_target("/a.b+c/d", change) == "/d"
    assert changed_target("/axb+c/d", change) == "/axb+c/d"


def test_a_rewrite_of_the_root_is_istios() -> None:
    assert changed_target("/b", PathModifier(False, "/xyz").rewritten(ROOT)) == "/xyzb"
    assert changed_target("/b", PathModifier(False, "/").rewritten(ROOT)) == "/b"


def test_a_rewrite_replaces_the_whole_path() -> None:
    assert changed_target("/foo/bar?a=b", PathModifier(True, "/x").rewritten(SHOP)) == "/x?a=b"


def test_a_redirect_keeps_what_a_rewrite_trims() -> None:
    assert PathModifier(False, "/xyz/").redirected(SHOP) == ReplacePrefix("/foo", "/xyz/")
    assert PathModifier(False, "").redirected(SHOP) is None
    assert PathModifier(True, "/x").redirected(SHOP) == ReplacePath("/x")


@pytest.mark.parametrize(
    ("redirect", "port", "is_tls", "expected"),
    [
        # Without a port the listener's counts, unless the scheme implies it.
        (RedirectTo(), 8080, False, 8080),
        (RedirectTo(), 80, False, None),
        (RedirectTo(), 443, True, None),
        (RedirectTo(), 80, True, 80),
        # A scheme implies its own port.
        (RedirectTo(scheme="https"), 8080, False, None),
        (RedirectTo(scheme="https", port=443), 8080, False, None),
        (RedirectTo(scheme="https", port=8443), 8080, False, 8443),
        (RedirectTo(port=80), 8080, False, None),
        (RedirectTo(port=80), 8443, True, 80),
    ],
)
def test_the_port_of_a_redirect(
    redirect: RedirectTo, port: int, is_tls: bool, expected: int | None
) -> None:
    assert redirect.of(ROOT, port, is_tls).port == expected


def test_a_redirect_is_read() -> None:
    found = read(
        "{type: RequestRedirect, requestRedirect: {scheme: https, hostname: a.com, port: 8443,"
        " statusCode: 308, path: {type: ReplaceFullPath, replaceFullPath: /x}}}"
    )
    assert found.redirect == RedirectTo(308, "https", "a.com", 8443, PathModifier(True, "/x"))
    assert read("{type: RequestRedirect, requestRedirect: {}}").redirect == RedirectTo(302)


def test_a_rewrite_is_read() -> None:
    found = read(
        "{type: URLRewrite, urlRewrite: {hostname: a.com,"
        " path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}}"
    )
    assert found == Filters(rewrite=PathModifier(False, "/x"), authority="a.com")


def test_a_header_modifier_changes_the_authority_only_by_host() -> None:
    other = "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}"
    assert read(other) == Filters()
    host = "set: [{name: HOST, value: a.com}], add: [{name: host, value: b.com}]"
    both = f"{{type: RequestHeaderModifier, requestHeaderModifier: {{{host}}}}}"
    assert read(both).authority == "a.com"
    rewrite = "{type: URLRewrite, urlRewrite: {hostname: c.com}}"
    assert read(f"{both}, {rewrite}").authority == "c.com"


def test_filters_that_do_not_route_are_ignored() -> None:
    assert (
        read(
            "{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, percent: 10}},"
            " {type: RequestMirror, requestMirror: {backendRef: {name: b, port: 80}}},"
            " {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [a]}}"
        )
        == Filters()
    )


@pytest.mark.parametrize(
    "filters",
    [
        "{type: ExtensionRef, extensionRef: {group: a.com, kind: A, name: a}}",
        "{type: ExternalAuth, externalAuth: {}}",
        "{type: Novel, novel: {}}",
    ],
)
def test_filters_that_istio_does_not_know_are_named(filters: str) -> None:
    (refused,) = read(filters).refused
    assert refused.startswith("routes.yaml:5: HTTPRoute default/web, filters[0]: a filter of type")


def test_a_backend_may_only_change_headers() -> None:
    mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}}}"
    assert read(mirror).refused == ()
    assert len(read(mirror, is_of_backend=True).refused) == 1


def test_cors_is_warned_of() -> None:
    rule = part("filters: [{type: CORS, cors: {}}]\n")
    assert read_filters(rule) == Filters()
    assert warnings_of(rule) == [
        "routes.yaml:5: HTTPRoute default/web, filters[0]: answers preflight requests itself; they"
        " are judged as any other request"
    ]


def test_a_replacement_without_slash_is_warned_of() -> None:
    rule = part(
        "filters: [{type: URLRewrite, urlRewrite: {path:"
        " {type: ReplaceFullPath, replaceFullPath: x}}}]\n"
    )
    read_filters(rule)
    assert "no slash in front" in warnings_of(rule)[0]


REDIRECT = "{type: RequestRedirect, requestRedirect: {}}"
REWRITE = "{type: URLRewrite, urlRewrite: {}}"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("{}", "filters[0].type: missing"),
        ("{type: URLRewrite}", "filters[0].urlRewrite: missing"),
        (
            "{type: URLRewrite, urlRewrite: {}, requestRedirect: {}}",
            "filters[0].requestRedirect: expected only urlRewrite with the type URLRewrite",
        ),
        (f"{REDIRECT}, {REWRITE}", "filters: expected RequestRedirect or URLRewrite, not both"),
        (f"{REDIRECT}, {REDIRECT}", "filters[1].type: expected at most one filter of type"),
        (
            "{type: RequestRedirect, requestRedirect: {statusCode: 304}}",
            "statusCode: expected one of 301, 302, 303, 307, 308",
        ),
        ("{type: RequestRedirect, requestRedirect: {scheme: ftp}}", "scheme: expected one of"),
        (
            "{type: URLRewrite, urlRewrite: {hostname: '*.a.com'}}",
            "hostname: expected a lower-case hostname without a wildcard",
        ),
        (
            "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath}}}",
            "path.replaceFullPath: missing",
        ),
        (
            "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /,"
            " replacePrefixMatch: /}}}",
            "path.replacePrefixMatch: expected only replaceFullPath",
        ),
    ],
)
def test_filters_that_the_schema_refuses(filters: str, expected: str) -> None:
    (problem,) = problems(filters)
    assert expected in problem
