"""What the sidecar says about itself, and where its counts go.

catalogue   every metric once: name, kind, unit, tags and description
datadog     the DogStatsD sink: timestamped gauges and plain counts
prometheus  the counts as Prometheus and OpenMetrics read them
series_db   the local SQLite file of counts per second, which `estimate` reads

A sink is bounded: it drops and counts what it cannot take, and never waits.
"""
