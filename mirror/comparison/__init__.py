"""Production's answers and the shadow's compared, in the supervisor.

totals          what became of all pairs, for /status and /comparison
examples        what the shadow served otherwise, over all workers
log_lines       a line of nginx's access log: its id and production's answer
connections     lines that did not come, by the numbers of the requests of a connection
window          copies and lines that wait for each other, joined by the id
datagrams       the log as syslog datagrams
followed_file   the log as a file that grows and is rotated
join            mode sink: the copies of all workers, joined with the log
report/         what `mirror compare` makes of several comparisons
"""
