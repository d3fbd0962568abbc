"""What a running sidecar tells of itself, and takes orders on.

server       the admin port: health, readiness, metrics, status, URIs, changes, the live page
hour         the last hour in slots of ten seconds
verdict      whether the switch is safe, with its reasons
live         the events of the live page
page         its document, and the policy that holds it to this port
viewers      the open pages that get events
trust        who may read and change what: this host, strangers, web pages
token_file   the token that lets others than this host change things
"""
