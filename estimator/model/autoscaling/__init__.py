"""Step 4: the HorizontalPodAutoscaler.

simulation      Kubernetes' control loop over a measured series
summary         what it did, in figures and as a plot
metric          which cpu the HPA reads, and how that of a replica follows its load
fixed_count     when no HPA is better, and what that costs
recommendation  target, minimum and maximum that survive it
"""
