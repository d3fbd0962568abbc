"""The day of the switch: each step of traffic with what it needs before, during and after it.

timetable  when each step begins: at a given time, or in the easiest working hours
parts      a component whose traffic moves, as `estimate` projects it for that day
warm_up    the time that pods and copies need before a step, and the mirror's ratio
compared   what copies met that were compared with production's answers
watch      what stops a step
rehearsal  the steps simulated over the recorded weeks, with and without raised minima
plan       the whole plan
"""
