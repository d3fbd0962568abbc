"""The model: pure functions of a series and a table; no files, no clock, no printing.

An estimate takes five steps, one package each, and a package imports only those above it:

demand       which rps to size for: observed peak, averaging, growth
evidence     what the table says of one replica and of many: load curves, limits, scaling law
sizing       how many replicas, with which requests and limits, behind which rate limits
autoscaling  the HPA that survives the series, by simulating Kubernetes' control loop
nodes        what all of it runs on and costs

Around them:

figure, policy, plots   a number with its reason, arithmetic and doubts; what the user decides;
                        what is drawn
drawing                 the plots filled
rollout                 what failures, updates and drained nodes leave of a component
chain                   the latency objective over gateway and pod
component, phases       one component's whole answer; other phases of the migration, single paths
confidence              why not to rely on an answer
weights                 which assumptions move the answer most
projection              every component, and what was assumed
"""
