"""The commands of `estimate`, one file each: argv to options, options to a result, an exit code.

exits        the exit codes, and how an error becomes one
table        `estimate table`: check, fit, plot, import
verify       `estimate verify`: predicted against observed cpu and memory
"""
