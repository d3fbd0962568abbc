"""Canaries: single requests of `mirror canary`, which the sidecar shows in /status.

canary     what is kept of one canary, and how a target names it
recent     the newest canaries of one worker, and of all workers together
"""
