"""Captures: the format in which `mirror` records requests, for both commands.

record   one line of a capture
reader   reads captures: one file, or a directory of segments merged by time
secret_names  which names of headers, query keys and parameters stand for a secret
redacted  what remains of a secret, and which names may be missing
"""
