"""What a running sidecar tells of itself, and takes orders on.

server   the admin port: health, readiness, metrics, status, URIs, changes
"""
