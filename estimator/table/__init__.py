"""The correspondence table: at this rps, this component used this much.

rows         one measured row, and the words for what it is worth
verdicts     which row is worth what, and the rule that says so
same_load    which rows were measured at one load
soundness    what keeps a whole table from being relied on
load_points  components with their judged rows
fields       reading keys strictly, every problem at its line
document     a table as plain keys and values, both ways
yaml_file    that document as YAML
csv_file     that document as CSV
files        the file, whichever format
text_plot    a curve and its rows in characters
load_tools   result files of load generators to rows
"""
