"""Step 4: the HorizontalPodAutoscaler.

simulation      Kubernetes' control loop over a measured series
recommendation  target, minimum and maximum that survive it
"""
