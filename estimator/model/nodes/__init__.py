"""Step 5: nodes and their cost.

capacity        node pools, DaemonSets, zones, and what pods may use of a node
instance_types  how many pods an EC2 instance takes
packing         pods packed into nodes, and what the nodes cost
"""
