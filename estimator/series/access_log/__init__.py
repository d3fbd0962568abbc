"""Series from access logs, whose lines mirror.formats.access_log reads.

files    which logs, routes and forms of lines the options of a command mean
counts   one log: its requests by second and route
cluster  the counts of many logs by the workers of a Dask cluster
total    all logs: their counts added up to one series
"""
