"""What the pods run on: node pools, DaemonSets, zones and prices.

files  reads a YAML file (docs/formats.md, "Nodes and prices") as the model's `Cluster`
"""
