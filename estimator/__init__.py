"""The `estimate` command: from an rps series and a correspondence table to the resources needed.

series     rps over time, whatever recorded it: one type, its gaps and its completeness kept
table      the correspondence table: load points, which of them count and why the others do not
observed   cpu and memory over time, by pod and container
cluster    node pools, DaemonSets, zones and prices, from a file
model      pure: demand, evidence, sizing, autoscaling, nodes; no files, no clock
migration  what a table predicts against what is observed while mirroring
report     words, tables, JSON, charts and manifests of a projection; computes no number
commands   one file for each subcommand
units      the only conversions of cpu, memory and durations
text_files reading a text file, and writing one whole
errors     bad input, every problem at once; and the refusal to answer
"""

__version__ = "0.1.0"
