"""`mirror compare`: the sum of several comparisons, its verdict, and how both are shown.

parts        what each source counted, and the sum of several
series_part  the same from a series.db
bounds       how sure a share of new errors is
safety       the thresholds and the rules, for the live page and `mirror status` as well
judgement    the verdict, by the thresholds of the command
words        what each result means, and what to do about it
blocks       what the report consists of
content      the report as tables and sentences
uncompared   the sections of what was not compared
text         the report for a terminal
data         the report as JSON
html         the report as a page, with templates/
"""
