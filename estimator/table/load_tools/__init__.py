"""Result files of load generators, one file a tool, to one kind of run.

run       what every reader returns, and the steady part of it
detect    which tool wrote a file, by its content
"""
