"""The data plane. Each module owns one kind of socket and asks the core what to do.

downstream  connections that clients or nginx opened: requests come in, answers go out
tee         between the two: fans an exchange out to its shadow legs
shadow_leg  one copy of a request on its way to the shadow
repeats     requests that nginx mirrors for the second time
recent_ids  the ids of recent requests, shared by all workers
upstream    connections that we open: requests go out, answers come in
"""
