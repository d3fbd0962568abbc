"""Decisions on values; nothing here knows asyncio, sockets, the clock, environment or logging.

http1           what request and response heads share: framing, fields, chunks, our own answers
request_head    a request head as a value, and its bytes for each leg
wrong_mode      whether nginx sent a request for the other mode
opaque_head     a head that the parser refuses although its framing is clear
hop             what a request gains on its way through us as a proxy
response_head   a response head as a value, and its bytes for the downstream
exchange_states the states of one inline exchange
selection       which requests get a shadow leg, and how many
ramp            how the ratio rises to its aim, and when it falls back
budget          how many bytes the shadow may hold in a worker
acceptance      whether a server may get mirrored requests, by its answer to a probe
breaker         whether the shadow is sent anything now
pool            which connection of an upstream serves which leg
slow_start      the same for an upstream that need not be there: few connects at a time
ledger          counters that add up: every request once, in one second, under one route
worker_ledger   the counters of one worker
latency         latencies in the layout of an HDR histogram
canaries/       the requests of `mirror canary`, which /status shows
redaction/      what must not be recorded
comparison/     production's answer and the shadow's compared, without their bodies
uri_counts/     which URIs production requests, in bounded memory
"""
