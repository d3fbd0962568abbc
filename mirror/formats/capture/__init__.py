"""Captures: the format in which `mirror` records requests, for both commands.

record   one line of a capture
reader   reads captures: one file, or a directory of segments merged by time
"""
