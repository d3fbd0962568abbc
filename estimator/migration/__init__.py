"""The move to another cluster: is what a table predicts what mirrored traffic uses there?

curves   the load curve of every container of a table, with its error
verify   compares predicted with observed cpu and memory, and decides go or no-go
correct  corrects a table by what was observed
coverage would new routes serve what production gets?
order    which paths move first, and the steps of each
snippets text of each step of the move, for Apache, nginx, Istio and Gateway API
switch_plan: the day of the switch, step by step
"""
