"""Checks the document of the live page as text: its policy, and that it needs nothing else."""

import base64
import hashlib
import re

import pytest

from mirror.admin.page import headers_of_page, page

TEXT = page("the-secret", "open", "web-7").decode()


def test_the_policy_allows_this_script_and_style_only() -> None:
    policy = headers_of_page()["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", TEXT, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert not re.search(r"\son\w+=|style=", TEXT), "the policy would not let these run"


def test_nothing_is_asked_elsewhere() -> None:
    addresses = re.findall(r"""(?:src|href|action)=["']([^"']*)""", TEXT)
    assert set(addresses) == {"data:,", "status"}
    # A namespace is a name and is never fetched.
    assert set(re.findall(r"https?://[^'\"` ]+", TEXT)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in TEXT and "url(" not in TEXT


def test_the_script_writes_text_and_no_markup() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", TEXT)


def test_the_reader_and_the_secret_are_in_the_body() -> None:
    (body,) = re.findall(r"<body [^>]*>", TEXT)
    assert body == (
        '<body data-secret="the-secret" data-header="X-Mirror-Page" data-controls="open">'
    )
    assert not re.search(r"\[\[\w+\]\]", TEXT)


@pytest.mark.parametrize("instance", ['"><script>x</script>', "[[script]]", "[[secret]]"])
def test_a_hostile_instance_stays_a_name(instance: str) -> None:
    text = page("the-secret", "closed", instance).decode()
    assert text.count("<script>") == 1 and text.count("the-secret") == 1


def luminance(colour: str) -> float:
    """Return the relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(scheme: int) -> None:
    colours = dict(
        re.findall(r"--([\w-]+): (#\w{6});", re.findall(r":root \{(.*?)\}", TEXT, re.S)[scheme])
    )
    pairs = [(ink, "page") for ink in ("text", "muted", "accent", "production", "shadow")]
    for level in ("safe", "attention", "unsafe", "unknown"):
        pairs += [(level, "page"), (level, f"{level}-page"), ("text", f"{level}-page")]
        pairs += [(other, f"{level}-page") for other in ("safe", "attention", "unsafe", "muted")]
    for ink, ground in pairs:
        darker, lighter = sorted((luminance(colours[ink]), luminance(colours[ground])))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)
