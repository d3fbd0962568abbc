"""Result files of load generators, one module for each tool, become one kind of run.

run     what every reader returns, and the steady part of a run
detect  which tool wrote a file, by its content
fortio, ghz, hey, k6, locust, oha, replay, vegeta, wrk, wrk2  the tools
"""
