"""The plan of a switch in words, as data, and as files to apply.

times      instants and shares as people write them
content    the plan on one screen
runbook    the whole plan for the people who do it, step by step
commands   the commands before, at and after a step, and back
files      the folder with the commands, patches and snippets of every step
data       JSON (docs/formats.md, "Switch plan")
"""
