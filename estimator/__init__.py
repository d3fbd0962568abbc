"""The `estimate` command: sizes a cluster from an rps series and a correspondence table.

series      rps over time, one type for every source, with its gaps and its completeness
table       the correspondence table: load points, and which of them count
observed    cpu and memory over time, by pod and container
cluster     node pools, DaemonSets, zones and prices
routing     what a gateway would do with a request, from its route objects
model       pure calculations: demand, evidence, sizing, autoscaling, nodes
migration   compares what a table predicts with what is observed while mirroring
requests    the requests that production received, from logs, captures, series and sidecars
report      a projection as text, tables, JSON, charts and manifests; computes no number
commands    one file for each subcommand
text_files  reads a text file, and writes one whole or not at all
units       the only conversions of cpu, memory and durations
errors      bad input, with every problem at once, and the refusal to answer
"""

__version__ = "0.1.0"
