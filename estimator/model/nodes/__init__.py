"""Step 5: nodes and their cost.

packing     pods packed into the allocatable capacity of nodes
arithmetic  the same, line by line, for `--explain`
"""
