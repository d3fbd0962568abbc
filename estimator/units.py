"""The only conversions of units in the estimator.

Inside the estimator cpu is a float in millicores, memory an int in bytes, and a duration an int in
seconds; Kubernetes notation exists only at the edges. Parsing uses decimals, never binary floats.
`format_*` round up, because a shown amount must not be smaller than the computed one; `exact_*`
keep every digit. Every parser raises ValueError with what was expected and what it got.

Notation: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import math
import re
from decimal import Decimal

# metrics-server reports cpu in n and u; people write m or cores.
_CPU_MILLICORES = {
    "n": Decimal("1e-6"),
    "u": Decimal("1e-3"),
    "m": Decimal(1),
    "": Decimal(1000),
    "k": Decimal(1_000_000),
}
_MEMORY_BYTES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
}
_DURATION_S = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

# Enough digits for what `exact_cpu` writes; the bound keeps nonsense cheap.
_QUANTITY = re.compile(r"(\d{1,24}(?:\.\d{1,20})?)([A-Za-z]{0,2})", re.ASCII)
_GROWTH = re.compile(r"([+-]?\d{1,4}(?:\.\d{1,6})?)%/(month|year)", re.ASCII)
_FACTOR = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)x?", re.ASCII)
_DURATION = re.compile(r"(?:\d{1,9}[wdhms])+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)([wdhms])", re.ASCII)


def parse_cpu(value: object) -> float:
    """Return millicores for `500m`, `1`, `0.5` or `123456789n`. Raises ValueError."""
    number, suffix = _split(value)
    if number is None or suffix not in _CPU_MILLICORES:
        raise ValueError(f"expected cpu such as 500m, 1 or 0.5, got {value!r}")
    return float(number * _CPU_MILLICORES[suffix])


def parse_memory(value: object) -> int:
    """Return bytes for `256Mi`, `1Gi`, `500M` or a plain number of bytes.

    A fraction of a byte is rounded up. Raises ValueError, also for the suffix `m`: Kubernetes reads
    it as thousandths of a byte, but whoever writes it means something else.
    """
    number, suffix = _split(value)
    if number is not None and suffix == "m":
        raise ValueError(f"expected memory such as 256Mi; {value!r} would be milli-bytes")
    if number is None or suffix not in _MEMORY_BYTES:
        raise ValueError(f"expected memory such as 256Mi, 1Gi, 500M or bytes, got {value!r}")
    return math.ceil(number * _MEMORY_BYTES[suffix])


def parse_duration(value: str) -> int:
    """Return seconds for `7d`, `24h`, `30m`, `90s`, `2w` or a chain such as `1d12h`.

    Raises ValueError, also for zero.
    """
    if not _DURATION.fullmatch(value):
        raise ValueError(f"expected a duration such as 7d, 24h or 30m, got {value!r}")
    seconds = sum(int(count) * _DURATION_S[unit] for count, unit in _DURATION_PART.findall(value))
    if seconds == 0:
        raise ValueError(f"expected a duration longer than zero, got {value!r}")
    return seconds


def parse_growth(value: str) -> float:
    """Return the compound growth per month, a ratio above -1, for `3%/month` or `40%/year`.

    Worked example: 40 % a year is 1.4 ** (1 / 12) - 1 = 0.028436 a month. Raises ValueError.
    """
    match = _GROWTH.fullmatch(value.strip())
    ratio = float(match[1]) / 100 if match else -1.0
    if match is None or ratio <= -1:
        raise ValueError(f"expected growth such as 3%/month or 40%/year, got {value!r}")
    return ratio if match[2] == "month" else (1 + ratio) ** (1 / 12) - 1


def parse_factor(value: str) -> float:
    """Return the factor for `2.5x` or `2.5`. Raises ValueError, also for zero."""
    match = _FACTOR.fullmatch(value.strip())
    factor = float(match[1]) if match else 0.0
    if factor <= 0:
        raise ValueError(f"expected a factor above zero such as 2.5x, got {value!r}")
    return factor


def format_cpu(millicores: float) -> str:
    """Return Kubernetes notation, rounded up to a whole millicore: `500m`, `2`."""
    # Rounding first keeps the noise of binary floats (0.1 + 0.2) from adding a millicore.
    rounded = math.ceil(round(millicores, 6))
    return str(rounded // 1000) if rounded and rounded % 1000 == 0 else f"{rounded}m"


def exact_cpu(millicores: float) -> str:
    """Return Kubernetes notation that `parse_cpu` reads back as the same number: `62.5m`.

    Only the first 20 decimals are kept.
    """
    return f"{Decimal(repr(round(millicores, 20))).normalize():f}m"


def format_memory(amount_bytes: int) -> str:
    """Return Kubernetes notation, rounded up to whole Gi, Mi or Ki: `256Mi`, `1Gi`."""
    if amount_bytes % 2**30 == 0 and amount_bytes:
        return f"{amount_bytes // 2**30}Gi"
    if amount_bytes >= 2**20:
        return f"{-(-amount_bytes // 2**20)}Mi"
    return f"{-(-amount_bytes // 2**10)}Ki" if amount_bytes else "0"


def exact_memory(amount_bytes: int) -> str:
    """Return Kubernetes notation that `parse_memory` reads back as the same number: `1000`."""
    for suffix in ("Gi", "Mi", "Ki"):
        if amount_bytes and amount_bytes % _MEMORY_BYTES[suffix] == 0:
            return f"{amount_bytes // _MEMORY_BYTES[suffix]}{suffix}"
    return str(amount_bytes)


def format_duration(seconds: int) -> str:
    """Return days and smaller units that `parse_duration` reads back: `7d`, `1d12h`, `1m30s`."""
    parts = []
    for unit in "dhms":
        length_s = _DURATION_S[unit]
        count, seconds = divmod(seconds, length_s)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_rps(rps: float) -> str:
    """Return rps for people, with at most one decimal: `1,234.5`, `600`."""
    return f"{rps:,.1f}".removesuffix(".0")


def format_share(ratio: float) -> str:
    """Return a share of a whole with one decimal or two digits: `20%`, `12.3%`, `0.026%`.

    It is rounded to the nearest, and `0%` or `100%` only where it is exactly that.
    """
    percentage = 100 * ratio
    if 99.9 < percentage < 100:
        return "more than 99.9%"
    decimals = 1 if percentage == 0 else max(1, 1 - math.floor(math.log10(percentage)))
    return f"{percentage:.{decimals}f}".rstrip("0").rstrip(".") + "%"


def _split(value: object) -> tuple[Decimal | None, str]:
    # Python takes a bool for an int, but `cpu: true` is a mistake.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None, ""
    match = _QUANTITY.fullmatch(str(value).strip())
    return (Decimal(match[1]), match[2]) if match else (None, "")
