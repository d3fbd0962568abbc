"""The correspondence table: the resources that a component used at a measured rps.

rows         one measured row, and the verdicts that it can get
verdicts     the rules that give each row its verdict
same_load    groups the rows that were measured at one load
load_points  components with their judged rows
plausibility names values that cannot be true, and the likely slip
fields       reads keys strictly and reports every problem with its line
document     converts between a plain document and components
yaml_file    the document as YAML
csv_file     the document as CSV
files        reads and writes a table in either format
text_plot    draws a curve and its rows in characters
load_tools   reads result files of load generators as rows
"""
