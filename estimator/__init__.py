"""The `estimate` command: from an rps series and a correspondence table to the resources needed.

series   rps over time, whatever recorded it: one type, its gaps and its completeness kept
table    the correspondence table: load points, which of them count and why the others do not
cluster  node pools, DaemonSets, zones and prices, from a file
model    pure: load curve, sizing, HPA, nodes, projection; numpy and floats, no files, no clock
report   words, tables and JSON for a projection; computes no number
units    the only conversions of cpu, memory and durations
errors   bad input, every problem at once; and the refusal to answer
"""

__version__ = "0.1.0"
