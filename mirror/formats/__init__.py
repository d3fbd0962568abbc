"""What `mirror` writes and `estimate` reads: the one package of `mirror` that both import.

access_log      lines of access logs, whoever wrote or wrapped them, and the request of each
capture         recorded requests: the lines of a capture, and how its files are read
bounded_files   regular files, packed or not, read up to a limit
comparison      what a sidecar serves at /comparison: its types, version and reading
completion      what a shell completes
dask_cluster    runs a function of a file on the workers of a Dask cluster
foreign_text    text from outside as a terminal may show it
path_shapes     what targets that differ in identifiers have in common
json_documents  the format and version at the beginning of a document
progress        the progress of long work, for a person at a terminal
replay_result   the result of a replay as a document
rich_console    the console on which tables are printed, and nothing is obeyed
routes          route templates, and the route tag that a request path gets
series_db       series.db and its exports: schema, version, columns, and the queries of readers
terminal        the exit of lines to stdout and stderr
uri_counts      what a sidecar serves at /uris: its types, version and reading
usage_source    where cpu and memory come from: the grammar of --sample
whole_files     files that are written whole, never through a link
yaml_documents  plain YAML, read strictly and within limits

Nothing here imports another package of `mirror`, except for its errors.
"""
