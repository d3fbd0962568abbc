"""Amounts of cpu and memory in Kubernetes notation, to numbers and back.

The notation of docs/formats.md: `500m`, `1`, `0.5`, `123n`; `256Mi`, `1Gi`, `500M` or bytes.
"""

import math
import re

_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([A-Za-z]{0,2})", re.ASCII)
_MILLICORES = {"n": 1e-6, "u": 1e-3, "m": 1.0, "": 1e3, "k": 1e6}
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def read_cpu(value: object) -> float:
    """Return millicores. Raises ValueError."""
    return _read(value, _MILLICORES, "cpu such as 500m, 1 or 0.5")


def read_memory(value: object) -> int:
    """Return bytes. Raises ValueError."""
    return math.ceil(_read(value, _BYTES, "memory such as 256Mi, 1Gi, 500M or bytes"))


def _read(value: object, factors: dict[str, float] | dict[str, int], expected: str) -> float:
    found = _QUANTITY.fullmatch(str(value))
    if found is None or found[2] not in factors or isinstance(value, bool):
        raise ValueError(f"expected {expected}, got {value!r}")
    return float(found[1]) * factors[found[2]]


def write_cpu(millicores: float) -> str:
    """Return `12.345m`: to the microcore, below which nothing is measured."""
    return f"{millicores:.3f}".rstrip("0").rstrip(".") + "m"


def write_memory(amount_bytes: int) -> str:
    """Return mebibytes, rounded up: a shown amount is never smaller than what was used."""
    return f"{math.ceil(amount_bytes / 2**20)}Mi"
