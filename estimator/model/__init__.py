"""The model: pure functions of a series and a table; no files, no clock, no printing.

From below upwards; a module imports only those above it in this list:

figure, policy, plots   a number with its doubts; what the user decides; what is drawn
load_curve, prediction  cpu (or p99) of a replica over its rps, and how far that may be off
scaling, queueing       many replicas together; requests that wait for a worker
evidence                all that a table says of a component, and what bounds one replica
scenario, traffic       the demand that was observed, and the one that is sized for
sizing, requests        replicas, and what each container should ask for
amounts                 cpu and memory added up, with their bounds
simulation, autoscaling Kubernetes' control loop over a series, and the HPA that survives it
rate_limits, nodes      what to let through; what it all runs on and costs
drawing, explanation,   the plots filled, the arithmetic line by line
node_explanation
component, phases       one component's whole answer; other phases, and single paths
projection              every component, what was assumed, why not to rely on it
"""
