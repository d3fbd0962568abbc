"""The rps series: whatever recorded it, one type, with its resolution, gaps and completeness.

rps          the type; demand and peak of a set of routes
files        series.db, the local per-second series
datadog      maxima per minute, asked for in windows of a day
datadog_api  Datadog's query endpoint over HTTP, and what each of its failures means
"""
