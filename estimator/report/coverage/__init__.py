"""The report of `estimate coverage`; nothing here computes a number.

words    shares, statuses, outcomes and options as a reader says them
content  the document: the verdict first, then what is lost, why, and what to add
data     JSON (docs/formats.md, "Coverage")
"""
