"""What must not be recorded of a request, and how it is removed.

values     which values are a secret wherever they stand: tokens, keys, card numbers
redactor   removes secrets from the fields and the target of a request, or hashes them

Which names stand for a secret, and what remains of one, is a part of the format of captures:
mirror.formats.capture.
"""
