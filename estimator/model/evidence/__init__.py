"""Step 2: what the correspondence table says of a component.

load_curve  cpu (or p99) of one container over its rps
prediction  a load curve with its error bounds, inside and beyond the rows
memory      memory of one container: constant, rising with rps, or growing with time
efficiency  what a replica among many serves, relative to one among few
scaling     the universal scalability law: what many replicas serve together
queueing    how long requests wait for a worker of a pod
evidence    all of it for one component, and what bounds one replica
"""
