"""Reports of a projection; nothing here computes a number.

text  tables for a terminal
data  JSON (docs/formats.md, "Estimate report")
"""
