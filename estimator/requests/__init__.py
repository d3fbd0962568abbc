"""The requests that production received, from whatever recorded them.

observations  equal requests added up, with production's own statuses, and what was not recorded
sums          adds up equal requests in bounded memory
summary       from sums to observations
access_log    requests from access logs
"""
