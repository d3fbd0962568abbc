"""Audits: was anything counted twice, and was anything forgotten?

lines         what a line of a log says: its time, its id, the mark of a copy, who answered
logs          the files of a log, each once, rotated and packed ones too
reasons       why a request that nginx logged may have no copy
window        the seconds that are judged, and those that are not
ids           the ids of millions of lines, grouped in bounded memory
matching      which requests are in which logs, by their ids
sidecar       what the sidecars counted and captured
envoy_stats   two readings of Envoy's counters
clocks        how far the clocks of two hosts are apart
audit         reads all of them into one result
rules         what an audit may find
doubts        the findings about what the sources could not show
judgement     the findings, and the exit code
report        text and JSON
canary/       one request with an id of its own, and where it is found
"""
