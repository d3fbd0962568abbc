"""Step 5: nodes and their cost.

capacity  node pools, DaemonSets, zones, and what pods may use of a node
packing   pods packed into nodes, and what the nodes cost
"""
