"""The correspondence table: at this rps, this component used this much.

load_points  components, their measured rows, and which rows may be used
files        the YAML file, strictly, with every problem at once
"""
