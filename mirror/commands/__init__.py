"""One file for each subcommand of `mirror`."""
