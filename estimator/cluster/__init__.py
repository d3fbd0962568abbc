"""What the pods run on: node pools, DaemonSets, zones and prices, read from a file.

files  YAML (docs/formats.md, "Nodes and prices") to the model's `Cluster`; every problem at once
"""
