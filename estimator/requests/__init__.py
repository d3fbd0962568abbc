"""The requests that production received, from whatever recorded them.

observations  equal requests added up, with production's own statuses, and what was not recorded
sums          adds up equal requests in bounded memory
summary       from sums to observations
asked         what rules ask of a request: which headers and parameters are kept
access_log    requests from access logs
capture       requests from captures, with the headers that rules ask for
series        requests from route tags: one sample path for each template
uris          requests from a sidecar's counts of URIs
admin_port    a document of a sidecar, from its admin port or a file
compared      requests that a sidecar's comparison has as examples
samples       a path that stands for all paths of a template
"""
