"""A small world to try the product in: real programs on loopback, ended when it ends.

processes  starts, watches and ends child processes
app        the demonstration's application, primary and shadow alike
envoy      a real Envoy that stands where istio-proxy stands
nginx      production's nginx, and the one of the gateway Pod that writes the access log
sidecar    `mirror serve` with a generated configuration
load       uneven traffic, open loop
pages      what `mirror compare` and `estimate` answer about it

`mirror demo` and tests/topology both build on these modules. None of them imports the data plane:
it takes part as a process, as it does in production.
"""
