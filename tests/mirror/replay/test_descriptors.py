import resource
import subprocess
import sys

import pytest

from mirror.replay.descriptors import SPARE_DESCRIPTORS, allow_descriptors

# Limits cannot be raised again, so they are changed in a process of their own.
LIMITED = """
import resource
from mirror.replay.descriptors import allow_descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
allow_descriptors(100)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
allow_descriptors(193)
"""


def test_soft_limit_is_raised_up_to_the_hard_one() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True)
    assert done.stdout == f"{100 + SPARE_DESCRIPTORS}\n"
    assert "this process may open 256 descriptors (ulimit -Hn), 257 are needed" in done.stderr


def test_a_high_limit_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(resource, "setrlimit", unexpected)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1000, 1000))
    allow_descriptors(1000 - SPARE_DESCRIPTORS)
