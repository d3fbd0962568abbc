"""Result files of load generators, one module a tool, to one kind of run.

run     what every reader returns, and the steady part of it
detect  which tool wrote a file, by its content
fortio, ghz, hey, k6, locust, replay, vegeta, wrk, wrk2  the tools
"""
