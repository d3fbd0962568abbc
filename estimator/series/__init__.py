"""The rps series: whatever recorded it, one type, with its resolution, gaps and completeness.

rps             the type; demand and peak of a set of routes
grid            puts points in any order onto a grid, and counts what was repaired
hosts           the sum over the files of several hosts
files           a file, by its content
database        series.db, the local per-second series
ended_legs      how copies ended, and production's requests where a series.db says so
columns         CSV and Parquet
access_log/     any number of access logs, counted by second and route on several cores or machines
datadog         maxima per minute of a gauge, and the seconds of the highest; counts of others
datadog_query   the text of a query, and which route a group is
datadog_api     Datadog's query endpoint over HTTP, and what each of its failures means
datadog_cache   answers about closed windows, on disk
prometheus      rates from Prometheus and VictoriaMetrics
prometheus_api  their range queries over HTTP
http_session    the HTTP session for all monitoring systems
limits          how much is read from outside at most
"""
