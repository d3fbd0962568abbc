"""What must not be recorded of a request, and how it is removed.

names      which names of headers, query keys and parameters stand for a secret
values     which values are a secret wherever they stand: tokens, keys, card numbers
redactor   removes secrets from the fields and the target of a request, or hashes them
"""
