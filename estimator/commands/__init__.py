"""The commands of `estimate`, one file each: argv to options, options to a result, an exit code.

report           `estimate` itself: a series, a table and a policy to a report
sources          where its series comes from
policy_options   one option for every field of the model's Policy; quantities: how they are read
help_sections    help under headings
exits            the exit codes, and how an error becomes one
table            `estimate table`: check, fit, plot, import
verify           `estimate verify`: predicted against observed cpu and memory
"""
