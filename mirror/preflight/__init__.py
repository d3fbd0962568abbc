"""What is checked before the first mirrored request.

probe        one request to the shadow: does it answer as an istio-proxy?
descriptors  file descriptors: how many a worker may need, and how many it may have
"""
