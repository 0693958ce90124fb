"""KV events: what the prefix cache of each of an engine's ranks stores and removes.

config      where ranks publish them (--kv-events-config)
wire        batches of them, as bytes
mirror      the blocks of one rank, and what of a batch is news
"""
