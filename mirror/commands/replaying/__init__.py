"""The commands of a replay.

replay        sends a capture again, open loop
replay_table  writes the table of it, as an option of replay
replay_merge  adds up the results of shards
replay_diff   compares two results
"""
