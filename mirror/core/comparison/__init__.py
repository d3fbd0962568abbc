"""Production's answer and the shadow's compared, without their bodies.

answer      what is kept of the answer of one leg
envoy_reply who gave an answer of the shadow, and why, read from its beginning
redirects   whether two redirects lead to different places
verdict     the result of comparing two answers
pairs       the pairs of one worker in mode inline
copies      the copies of one worker in mode sink, until the next report
examples    requests of which the shadow did not serve what production did
piece       what a worker sends of its legs to the supervisor
"""
