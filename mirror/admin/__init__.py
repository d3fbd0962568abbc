"""What a running sidecar tells of itself, and takes orders on.

server       the admin port: health, readiness, metrics, status, URIs, changes
trust        who may read and change what: this host, strangers, web pages
token_file   the token that lets others than this host change things
"""
