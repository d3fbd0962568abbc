"""What a component used while it was loaded, and the correspondence table that comes of it.

usage       what every source returns
processes, csv_file, prometheus, datadog, json_api  the sources
sources     what stands behind `--sample`
quantities  cpu and memory in Kubernetes' notation
table, verdicts  the table of a replay in steps
"""
