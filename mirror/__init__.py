"""The `mirror` command: tee production requests to a new cluster, count them, never disturb them.

core       decisions on values; no asyncio, sockets, clock, environment or logging
proxy      the data plane: downstream, the tee, upstream; one owner for each socket
process    a supervisor over worker processes
comparison  production's answers and the shadow's, put together
admin      what a running sidecar tells of itself, and takes orders on
audit      what was counted twice or not at all, from logs and counters
preflight  what is checked before the first mirrored request
metrics    every metric once, and the sinks that counts go to
capture    recorded requests: written while they are served, read again later
replay     a load generator that sends a capture again
formats    what `mirror` writes and `estimate` reads
demo       a small world of real programs, for `mirror demo` and the tests
commands   one file for each subcommand

config        the configuration, complete and possible
config_sections  its sections, and the types of their keys
config_file   the configuration file, read strictly, every problem reported at once
addresses     host:port and unix:/path, as people write them
spans         spans of time, as people write them
noise         whether two measured numbers differ beyond chance
errors        what can go wrong, on our side and on theirs
tls           the TLS context of every connection that we open
build         which of the two builds this is, compiled or plain Python
lean_imports  two libraries without the parts that the sidecar never uses
"""

__version__ = "0.1.0"
