"""A replay: a load generator that sends captured requests again, open loop, and measures.

requests     captured requests, made ready to be sent
schedule     which request is due when: original timing, a rate, or steps; shards of it
session      one replay from its settings to its result
generator    sends what is due; bounds what is in flight
readiness    before the first request: descriptors, whose site it is, credentials
patterns     which paths, hosts and methods `--filter` means
alarm        wakes the event loop to within a tenth of a millisecond
steps        which step, and which part of it, is being measured
measurement  counters and histograms of a part
saturation   the search for the highest rate that holds
result       builds the result as a document
merge, diff  results of shards added up; two results compared
process_usage  cpu and memory of processes on this machine, meanwhile
progress, text, html  what a person sees, during and afterwards
"""
