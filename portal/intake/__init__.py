"""Reading a feed in a process of its own: only records that the last accepted feed did not hold are parsed and mapped.

file ─▶ records ─▶ hashes ─▶ not seen before? ─▶ rows ─▶ mapping ─▶ frames to the run that asked
"""
