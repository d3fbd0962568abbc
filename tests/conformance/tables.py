"""Collects the rows of all tables; each clause is in one table only."""

from tests.conformance.clauses_requests import REQUESTS
from tests.conformance.clauses_responses import RESPONSES
from tests.conformance.strictness import STRICT_REQUESTS, STRICT_RESPONSES

ROWS = [*REQUESTS, *RESPONSES, *STRICT_REQUESTS, *STRICT_RESPONSES]
