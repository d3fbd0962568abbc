"""Which values are a secret wherever they stand: in a path, in a field, under any name.

Credentials of known makers begin with a fixed prefix, a JSON Web Token begins with the encoding of
`{"`, and a card number has a maker's prefix and a check digit. Nothing else is recognised: a random
identifier looks like a random secret, so `is_random` only says that a value is worth a look.

A marker is sought as plain text before a pattern runs: most values hold none, and a search for a
text costs a tenth of a search for a pattern.

References: RFC 7519 section 3.1 (JWT), RFC 6750 section 2.1 and RFC 7617 section 2 (Bearer, Basic),
ISO/IEC 7812-1 (card numbers and their check digit); the prefixes are those that AWS, Google,
GitHub, GitLab, Slack and Stripe document for secret scanning.
"""

import re

_MARKED = tuple(
    (marker, kind, re.compile(pattern))
    for marker, kind, pattern in (
        ("eyJ", "JWT", r"eyJ[\w-]{8,}\.[\w-]{8,}"),
        ("earer ", "bearer token", r"[Bb]earer +[\w.~+/=-]{8,}"),
        ("asic ", "password", r"[Bb]asic +[A-Za-z0-9+/=]{8,}"),
        ("AKIA", "AWS key", r"AKIA[A-Z0-9]{16}(?![A-Z0-9])"),
        ("ASIA", "AWS key", r"ASIA[A-Z0-9]{16}(?![A-Z0-9])"),
        ("AIza", "Google key", r"AIza[\w-]{35}"),
        ("ya29.", "Google token", r"ya29\.[\w-]{20,}"),
        ("gh", "GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,}"),
        ("github_pat_", "GitHub token", r"github_pat_\w{22,}"),
        ("glpat-", "GitLab token", r"glpat-[\w-]{20,}"),
        ("xox", "Slack token", r"xox[abeoprs]-[\w-]{10,}"),
        ("_live_", "Stripe key", r"[rs]k_live_[A-Za-z0-9]{16,}"),
        ("_test_", "Stripe key", r"[rs]k_test_[A-Za-z0-9]{16,}"),
        ("PRIVATE KEY", "private key", r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    )
)
# American Express, Visa, Mastercard, Discover and JCB, in groups or not. Numbers of 13 digits are
# left out: Visa gave up that length, and times in milliseconds have it.
_CARD = re.compile(
    r"(?<![\d.-])(?:4\d|5[1-5]|2[2-7]|6[05]|35)\d{2}(?:[ +-]?\d{4}){3}(?!\d)"
    r"|(?<![\d.-])3[47]\d{2}[ +-]?\d{6}[ +-]?\d{5}(?!\d)"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RANDOM_CHARACTERS = 20


def secret_kind(text: str) -> str | None:
    """Return what kind of secret stands in a text that is not percent-encoded; None for none."""
    for marker, kind, pattern in _MARKED:
        if marker in text and pattern.search(text):
            return kind
    for match in _CARD.finditer(text):
        if _has_check_digit(match.group()):
            return "card number"
    return None


def _has_check_digit(number: str) -> bool:
    """Return whether the last digit is that of the Luhn formula (ISO/IEC 7812-1 annex B)."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = (2 * digit - 9 * (digit > 4) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_random(value: str) -> bool:
    """Return whether a value is long and mixed as keys are, so that it may be a secret.

    A UUID is not: it is how identifiers are written.
    """
    if len(value) < _RANDOM_CHARACTERS or not value.isascii() or _UUID.fullmatch(value):
        return False
    plain = value.replace("-", "").replace("_", "").rstrip("=")
    if not plain.isalnum():
        return False
    kinds = (str.isdigit, str.islower, str.isupper)
    return sum(any(map(kind, plain)) for kind in kinds) >= 2 and any(map(str.isdigit, plain))
