"""Access logs: the request that a line is about, whoever wrote the line and whatever wraps it.

request      what a line says about its request, and the closed set of reasons why it says none
times        the times of logs as Unix time
wrappers     what Docker, Kubernetes, syslog, the journal and log shippers put around a line
text_lines   lines of text: combined and its relatives, Envoy, HAProxy, load balancers of AWS
json_fields  the keys of other JSON logs, as the user names them
json_lines   JSON objects: nginx, Envoy, Istio, Caddy, Traefik, and any other with a mapping
line_reader  reads one line with all of these, and explains what it read
remote       logs that are named by a URL
blocks       the fast path: a block of lines of one format at once
tally        what was left out, counted by reason, and how much of it is too much
"""
