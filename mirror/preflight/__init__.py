"""What is checked before the first mirrored request.

findings      what a check says: severity, code, what, why, what instead; text, JSON, exit code
rules         what is looked for at the primary and this host; docs/preflight.md explains each code
shadow_rules  what is looked for at the shadow
examination   everything that `mirror check` asks, and what `mirror serve` asks at its start
probe         one question to the shadow: does it answer as an istio-proxy?
shadow        who answers in the place of the shadow, and which routes it has
certificates  the names and the last day of a TLS server's certificate
circle        upstreams that are the sidecar itself
primary       one request to the primary: would its answer be passed on?
host          addresses, groups and folders: what `mirror serve` would refuse
descriptors   file descriptors: how many a worker may need, and how many it may have
clock         this host's clock against the shadow's, and as the kernel sees it
agent         whether the Datadog Agent takes metrics
access_log    whether the log that copies are joined with can be read, and has what is needed
disk          whether the disk holds what the series and the capture may grow to
nginx         what nginx's configuration does with the copies (`mirror check --nginx`)
"""
