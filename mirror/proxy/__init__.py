"""The data plane. Each module owns one kind of socket and asks the core what to do.

downstream  connections that clients or nginx opened: requests come in, answers go out
exchange    between the two: one request, until its shadow legs start
tee         fans exchanges out to their shadow legs
comparing   what is kept of both answers, to be compared
shadow_leg  one copy of a request on its way to the shadow
repeats     requests that nginx mirrors for the second time
recent_ids  the ids of recent requests, shared by all workers
upstream    connections that we open: requests go out, answers come in
"""
