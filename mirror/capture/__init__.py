"""Captures: requests in files, written while they are served and read again later.

recorder    records production requests: redacted on the loop, written by a thread
segments    files of zstd frames, rotated and bounded
key_file    the key with which captured values are hashed
overview    what a capture holds, added up record by record
importing   files into a sorter, by one process or several
entries     what an import yields: requests, and lines that cannot be used
sorter      puts them into the order of time, on disk where they do not fit into memory
redaction   removes secrets and bodies from what is imported
access_log  requests from nginx's access logs
har         requests from what a browser recorded
goreplay    requests from GoReplay's files

mirror.formats.capture owns the format, and reads it.
"""
