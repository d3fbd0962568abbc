"""Which names stand for a secret: read by their words, not looked up in a closed list.

`X-CSRFToken`, `accessToken`, `PHPSESSID` and `Ocp-Apim-Subscription-Key` are four spellings of one
idea, and every application invents more. So a name is split into its words (at `-`, `_`, `.`,
brackets and changes of case), and a word that means a secret makes the name one. Many names are
written without any separator (`authtoken`, `sessionid`), so long words are found inside others too.

Some names contain such a word and are harmless: they are excepted one by one, each group with its
reason, because a load test whose `page_token` was removed replays other requests than production's.

Invariant: the answer depends on the name alone, not on the case of a name without word boundaries.

References: RFC 6749 section 4 and RFC 7519 (parameters of OAuth and JWT), OASIS SAML 2.0 bindings
section 3 (SAMLRequest, SAMLResponse), RFC 9421 (Signature); the names of the rest are those of
vendors' documentation: AWS (X-Amz-Security-Token), Google (x-goog-api-key), Azure
(Ocp-Apim-Subscription-Key), GitLab (Private-Token), Vault (X-Vault-Token), PHP (PHPSESSID).
"""

import re

SECRET_PARTS = (
    *("token", "secret", "session", "sessid", "csrf", "xsrf", "signature", "password", "passwd"),
    *("passcode", "passphrase", "credential", "authoriz", "authoris", "authentic", "oauth"),
    *("saml", "bearer", "jwt", "totp"),
)
"""A word that contains one of these means a secret, unless ORDINARY_WORDS excepts it."""

SECRET_WORDS = frozenset(
    {
        *("auth", "key", "sess", "sid", "sig", "hmac", "otp", "mfa", "2fa", "pwd", "pass"),
        *("cred", "creds", "cookie", "assertion"),
    }
)
"""A word that is one of these means a secret; they are too short to be sought inside others."""

SECRET_NAMES = frozenset({"code", "ticket", "pin", "codeverifier", "dpop"})
"""Secrets only as the whole name: `code` of OAuth, `ticket` of CAS. `country_code` is none."""

ORDINARY_WORDS = frozenset(
    {
        # English words that contain a secret's name by accident.
        *("secretary", "secretaries", "secretariat", "obsession", "possession", "possessions"),
        *("monkey", "donkey", "turkey", "hockey", "jockey", "whiskey", "hotkey"),
        # Text is cut into tokens; none of them is a credential.
        *("tokenize", "tokenizer", "tokenization", "tokenise", "tokeniser", "tokenisation"),
        # Says only that somebody is known, not who.
        *("authenticated", "authorized", "authorised"),
    }
)

ORDINARY_NAMES = (
    # A place in a list: every listing API has one, and replays need it.
    *("pagetoken", "continuationtoken", "nexttoken", "skiptoken", "synctoken", "cursortoken"),
    # Columns and objects are named by keys.
    *("sortkey", "orderkey", "groupkey", "primarykey", "foreignkey", "partitionkey", "rowkey"),
    *("shardkey", "cachekey", "translationkey", "facetkey", "filterkey", "idempotencykey"),
    # A consent, and a number of words.
    *("cookieconsent", "cookiepolicy", "maxtokens"),
    # Public by definition: RFC 6455 section 11.3.1 (a nonce), and keys that may be published.
    *("secwebsocketkey", "publickey"),
)
"""The ends of harmless names, in lower case without separators."""

DESCRIPTIONS = frozenset(
    {
        *("type", "types", "kind", "count", "length", "size", "method", "mode", "status"),
        *("expiry", "expires", "ttl", "duration", "limit", "version", "algorithm", "alg"),
        *("enabled", "required"),
    }
)
"""As its last word, these make a name say something about a secret: `token_type`, `key_size`."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+[a-z]+|[^\W_]+")
_SEPARATORS = re.compile(r"[\W_]+")


def is_secret_name(name: str) -> bool:
    """Return whether a value under this name of a header, query key or field is a secret."""
    pieces = [piece for piece in _SEPARATORS.split(name.lower()) if piece]
    joined = "".join(pieces)
    if joined in SECRET_NAMES:
        return True
    if joined.endswith(ORDINARY_NAMES):
        return False
    # A change of case bounds a word, or means nothing: `apiKey`, `aPiKeY`. Both are tried.
    words = [word.lower() for word in _WORD.findall(name)]
    if len(words) > 1 and (words[-1] in DESCRIPTIONS or pieces[-1] in DESCRIPTIONS):
        return False
    return any(map(_means_a_secret, (*words, *pieces)))


def _means_a_secret(word: str) -> bool:
    if word in ORDINARY_WORDS:
        return False
    plain = word.rstrip("0123456789") or word
    if word in SECRET_WORDS or plain in SECRET_WORDS:
        return True
    # `licensekey`, `userauth`, `loginpwd`: compounds end with the short words.
    if plain.endswith(("key", "auth", "pwd")) and plain not in ORDINARY_WORDS:
        return True
    if plain.startswith("auth") and not plain.startswith("author"):
        return True
    return any(part in word for part in SECRET_PARTS)
