"""Listeners take only what comes to the addresses that were meant, whoever opens them, however, and whenever.

Libraries bind every interface on their own account (torch's store and gloo, ZMQ publishers of the runtime, mooncake's transport), and
what they serve there is not for strangers: pickles, memory. A bound socket keeps its address, but the kernel can filter what
reaches it: packets to any other address are dropped, connection attempts first of all.

reach     who a process may be reached by: addresses, and ports that are open to all
bpf       the filter of a socket
narrow    a listener is confined: by a filter, or to the loopback interface where the kernel lets this user set none
notify    the kernel stops every listen(2) of a process tree until its supervisor has put the filter on: no moment of exposure
sweep     a process looks for its own listeners, where the kernel refuses the above, and where nobody supervises

Standard library only, and no import of the rest: the guard of a node runs it in an interpreter without site packages.
"""
