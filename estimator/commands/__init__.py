"""The commands of `estimate`, one file each: argv to options, options to a result, an exit code.

report           `estimate` itself: a series, a table and a policy to a report
sources          where its series comes from
policy_options   one option for every field of the model's Policy; quantities: how they are read
help_sections    help under headings
exits            the exit codes, and how an error becomes one
terminal         where text goes, and how wide it is
table            `estimate table`; table_check, table_fit, table_plot, table_import: its commands
verify           `estimate verify`: predicted against observed cpu and memory
usage_options    where cpu and memory were recorded, for verify and table_import
result_files     result files of load generators, and options for what they do not state
switching        the commands of the move to the new routes
component_options: how a component that is new to a table is described
"""
