"""How much a reader of a series takes from outside at most; docs/limits.md lists all limits.

The numbers keep an answer or a file of 10 MB below 512 MB of memory and 30 s. A limit that ends a
run is named in its message.
"""

MAX_ANSWER_BYTES = 64 << 20
"""Of one answer of Prometheus or Datadog, unpacked. 100 routes of 10,000 points are 25 MB."""
MAX_ANSWER_VALUES = 2_500_000
"""Texts and lists in one answer, before it is decoded: each takes up to 120 bytes of memory."""
MAX_POINTS = 10_000_000
"""Of all answers of one query; 16 bytes each."""
ANSWER_TIMEOUT_S = 60.0
"""For one answer, from the request to its last byte."""
