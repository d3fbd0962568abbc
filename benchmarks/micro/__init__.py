"""CPU time of single functions of the core; `python -m benchmarks.micro` runs all of them.

head_parser   from bytes to a checked head: httptools, read_request_head, read_response_head
head_writer   from heads to the bytes of each leg
selection     choosing the requests that get a shadow leg, and the route of a request
ledger        counting
uri_counts    counting URIs, and reporting them

Some modules here are programs of their own, such as `python -m benchmarks.micro.requests_of_logs`.
"""

from typing import Any


def table(found: dict[str, Any]) -> str:
    lines = ["| function | µs, median | µs, least |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {row['cpu_us']:.2f} | {row['cpu_us_least']:.2f} |"
        for name, row in found["medians"].items()
    ]
    return "\n".join(lines)
