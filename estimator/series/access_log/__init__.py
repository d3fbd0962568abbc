"""Series from access logs, whose lines mirror.formats.access_log reads.

workers reads several logs at once
files   which logs, routes and forms of lines the options of a command mean
numbered_blocks  the blocks of one log, with the numbers of their first lines
counts  one log: its requests by second and route
total   all logs: their counts, made on one machine or by a cluster, added up to one series
"""
