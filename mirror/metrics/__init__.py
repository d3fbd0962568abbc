"""What the sidecar says about itself, and where its counts go.

catalogue      every metric once: name, kind, unit, tags and description
datadog        the DogStatsD sink: timestamped gauges and plain counts
prometheus     the counts as Prometheus and OpenMetrics read them
minute_histograms  the latencies of compared pairs, as series.db keeps them
series_writer  the sink that writes series.db, the counts of every second, for `estimate`

A sink is bounded: it drops and counts what it cannot take, and never waits.
"""
