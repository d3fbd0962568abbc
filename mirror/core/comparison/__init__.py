"""Production's answer and the shadow's compared, without their bodies.

answer      what is kept of the answer of one leg
verdict     the result of comparing two answers
piece       what a worker sends of its legs to the supervisor
"""
