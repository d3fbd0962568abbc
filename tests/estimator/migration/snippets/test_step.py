import pytest

from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Attachment, Backend, Step

PATH = MovedPath.of("/api/*")
OLD, NEW = Backend("old", 80), Backend("new", 81)


@pytest.mark.parametrize("words", ["app:80", "10.0.0.1:8080", "[::1]:80", "app.shop.svc:65535"])
def test_backend_is_read_and_shown(words: str) -> None:
    assert str(Backend.of(words)) == words


@pytest.mark.parametrize(
    "words",
    [
        *("app", ":80", "app:", "app:0", "app:65536", "app:8\u0660", "a b:80", "a;b:80", "::1:80"),
        *(
            'a":80',
            "a\n:80",
            "-a:80",
            "a-:80",
            "a..b:80",
            "http://a:80",
            "a/b:80",
            "$a:80",
            "a_b:8",
        ),
        "a" * 254 + ":80",
    ],
)
def test_hostile_backend_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Backend.of(words)


@pytest.mark.parametrize("percents", [(-1, 0), (101, 0), (5, -1), (5, 101)])
def test_share_is_a_percentage(percents: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        Step(PATH, OLD, NEW, *percents)


def test_step_undone_returns_to_the_share_before() -> None:
    step = Step(PATH, OLD, NEW, 25, 5)
    assert step.summary == "25% of /api/* to new:81, the rest to old:80"
    assert step.undone.summary == "5% of /api/* to new:81, the rest to old:80"
    assert step.undone.undone == step


@pytest.mark.parametrize(
    "names",
    [
        {"namespace": "Shop"},
        {"namespace": "a.b"},
        {"namespace": "a" * 64},
        {"gateway": "a\nb"},
        {"gateway_namespace": ""},
        {"hosts": ("shop.example", "a b")},
        {"hosts": ("a" * 254,)},
    ],
)
def test_names_that_kubernetes_refuses(names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Attachment(**names)  # type: ignore[arg-type]


def test_hosts_may_be_wildcards() -> None:
    assert Attachment(hosts=("*.example.com",)).hosts == ("*.example.com",)
