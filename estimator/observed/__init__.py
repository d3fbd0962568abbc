"""Cpu and memory as they were really used, over time, by pod and container.

usage             the samples, and their means over buckets and windows
usage_file        samples from CSV
process_accounts  samples from the processes that a replay sampled
prometheus        samples from Prometheus' range queries
datadog           samples from Datadog
join              a run of a load generator and its samples become one row of a table
"""
