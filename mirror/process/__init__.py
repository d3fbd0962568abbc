"""The processes of `mirror serve`: a supervisor and its workers.

supervisor    the parent: opens the sockets, merges the counts, owns the admin port and the metrics
children      the supervisor's view of its workers: start, hear, replace, retire, stop
starts        starts of workers that are repeated until they succeed
worker        one worker process: the data plane on one event loop
merger        the reports of all workers, added up: when a second is settled
uri_totals    the counts of URIs of all workers
timeline      from steady seconds to seconds of the wall clock
reloads       reloads, one after the other, and how each ended
orders        the ratio and the capture in force, for every worker that starts
control       the messages between the two
recent_rates  the rates of the last minutes, for people and for silence
sinks         the sinks: which there are, their replacement, what they lost
silence       says that no or far fewer requests arrive
listeners     listening sockets, opened once and inherited
memory_ceiling  how much memory a worker may take beyond its start
access        who can connect to a unix socket, by the permissions of files and directories
"""
