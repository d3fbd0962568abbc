"""From one cluster to the other: what a table predicts, against what is seen while mirroring.

curves   the load curve of every container of a table, with its error
verify   predicted against observed cpu and memory
correct  a table corrected by what was observed
"""
