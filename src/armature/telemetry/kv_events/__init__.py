"""From an engine's ranks to whoever wants to know, without gaps.

subscription   one rank's sockets: batches in order, with gaps repaired
relay          from subscription through a mirror to a sink
"""
