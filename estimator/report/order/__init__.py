"""The order of a move for its readers.

overview  the answer and a table for each group: text, and the head of the runbook
runbook   Markdown: every path with its reasons, its steps and their rollbacks
snippets  the same steps as files
data      everything as JSON
"""
