"""One file for each subcommand of `mirror`, and what several of them share.

serve            run the sidecar
check            validate the configuration and probe the shadow
canary           one request, and where it is found
audit            what was counted twice or not at all, from logs and counters
status           what a running sidecar does
set_ratio        change the ratio of a running sidecar
capture          switch recording on or off in a running sidecar
inspect          what captures hold
import_requests  logs, HAR and GoReplay files to a capture
export           a capture in another tool's format
replaying        send a capture again, open loop, and what is done with the results
series           show or export a series.db, which series_file reads
compare          whether the shadow answers as production does; compare_sources reads both answers
demo             the whole product on this machine
arguments        how rates, shards and instants are written on a command line
admin_client     how a running sidecar is asked
"""
