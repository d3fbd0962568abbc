"""What is checked before the first mirrored request.

findings     what a check says: severity, code, what, why, what instead; text, JSON, exit code
probe        one request to the shadow: does it answer as an istio-proxy?
circle       upstreams that are the sidecar itself
primary      one request to the primary: would its answer be passed on?
host         addresses, groups and folders: what `mirror serve` would refuse
descriptors  file descriptors: how many a worker may need, and how many it may have
"""
