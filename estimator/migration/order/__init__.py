"""Which paths move first, and how each of them moves.

traffic   peak and share of each path, from the series
observed  methods, upgrades and losses of each path, from observed requests
state     sessions, credentials and upgrades of each path, from a capture
rehearsal new errors of the copies that were mirrored
groups    switch now, mirror first or needs work, with the reasons; the order in each group
moves     the steps of both phases of a path, with snippet and rollback
plan      all of it together, with the doubts
"""
