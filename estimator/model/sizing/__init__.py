"""Step 3: replicas, and what each container should ask for.

replicas     the smallest replica count that meets every constraint at the peak
counts       the smallest count that serves a load, where replicas may disturb each other
requests     requests and limits of every container
rate_limits  local and global rate limits
amounts      cpu and memory added up, with their bounds
"""
