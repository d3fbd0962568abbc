"""Checks that a secret's name is found however it is spelt, and that a harmless one is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.capture.secret_names import is_secret_name

MEANINGS = (
    *("token", "secret", "session", "auth", "key", "csrf", "signature", "password", "credential"),
    *("otp", "saml", "jwt", "bearer"),
)
BEFORE = ("", "user", "x", "my", "app", "client", "admin", "login", "vault", "aws", "db")
AFTER = ("", "id", "value", "data", "v2", "new")


@st.composite
def spelt_secrets(draw: st.DrawFn) -> str:
    """Return a name of a secret as some application spells it."""
    words = [draw(st.sampled_from(BEFORE)), draw(st.sampled_from(MEANINGS))]
    words = [word for word in (*words, draw(st.sampled_from(AFTER))) if word]
    style = draw(st.sampled_from(["-", "_", ".", "camel", "Pascal", "UPPER", "[]"]))
    if style == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if style == "Pascal":
        return "".join(word.capitalize() for word in words)
    if style == "UPPER":
        return "_".join(words).upper()
    if style == "[]":
        return words[0] + "".join(f"[{word}]" for word in words[1:])
    return style.join(words)


@given(spelt_secrets())
def test_no_spelling_hides_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("X-CSRFToken", "Private-Token", "X-Vault-Token", "x-goog-api-key", "PHPSESSID", "sid"),
        *("Ocp-Apim-Subscription-Key", "auth_token", "accessToken", "oauth_token", "api-key"),
        *("SAMLResponse", "JSESSIONID", "ASP.NET_SessionId", "connect.sid", "authuser", "2fa"),
        *("authenticity_token", "__RequestVerificationToken", "X-Amz-Credential", "licensekey"),
        *("loginpwd", "client_assertion", "code", "ticket", "DPoP", "X-Hub-Signature-256"),
        *("userauth", "otp2", "Authorization", "Cookie", "x-api-key", "access_key_id", "aPiKeY"),
    ],
)
def test_name_is_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("monkey", "keyboard", "keyword", "keywords", "page_token", "nextPageToken", "author"),
        *("authority", "sort_key", "partitionKey", "Sec-WebSocket-Key", "country_code", "zip"),
        *("token_type", "key_size", "session_count", "Idempotency-Key", "compass", "passenger"),
        *("message", "assess", "design", "signal", "significant", "otpions", "secretary", "side"),
        *("status_code", "User-Agent", "Accept", "q", "id", "utm_source", "max_tokens", "ssid"),
        *("Referer", "X-Request-Id", "traceparent", "If-None-Match", "hockey", "obsession"),
        *("Sec-Fetch-Site", "keynote", "pinterest", "tokenizer", "codec", "authorId", ""),
    ],
)
def test_name_is_harmless(name: str) -> None:
    assert not is_secret_name(name)
