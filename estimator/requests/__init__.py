"""The requests that production received, from whatever recorded them.

observations  equal requests added up, with production's own statuses, and what was not recorded
"""
