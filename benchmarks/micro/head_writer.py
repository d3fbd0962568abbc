"""Writing a checked head as the bytes of each leg."""

from benchmarks.micro import heads
from benchmarks.micro.harness import Case
from benchmarks.micro.head_parser import read_request, read_response


def cases() -> dict[str, Case]:
    small, browser = read_request(heads.SMALL), read_request(heads.BROWSER)
    response = read_response(heads.RESPONSE)
    return {
        "to_primary, small": small.to_primary,
        "to_primary, browser": browser.to_primary,
        "to_shadow, small": lambda: small.to_shadow(b"", []),
        "to_shadow, browser": lambda: browser.to_shadow(b"", []),
        "to_downstream": lambda: response.to_downstream(response.framing, False),
    }
