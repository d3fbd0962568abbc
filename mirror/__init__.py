"""The `mirror` command: tee production requests to a new cluster, count them, never disturb them.

core      decisions on values; no asyncio, sockets, clock, environment or logging
proxy     the data plane: one owner per socket, a supervisor over worker processes
sinks     where counts go: DogStatsD, Prometheus, the local series file
metrics   every name, kind, unit and tag of what is counted, once
commands  one file for each subcommand
config    the configuration file as frozen sections, every problem reported at once
errors    what can go wrong, ours and theirs
tls       the TLS context of every connection that is opened as a client
build     which of the two builds this is, compiled or plain Python
lean_imports  two libraries without what they load beside the part that serves
"""

__version__ = "0.1.0"
