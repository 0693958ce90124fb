"""Guides (schemas, expressions, grammars) that clients send, tried before the scheduler compiles them.

A guide of a few bytes can take minutes and gigabytes to compile. SGLang compiles in threads of the scheduler, where nothing can
stop a compilation; and with tensor parallelism each rank compiles by itself, so that a limit there would part the ranks. So the
worker has each new guide compiled once in a process that can be killed, and gives the scheduler only those that passed.

trials      the worker's side: which guides passed, and how much memory those in flight may take together
compiler    the process: loads the tokenizer once, then forks for each trial

What following a guide costs depends on the output, and is limited in the scheduler (`engine.scheduler.guide_steps`).
"""

# What a request is ended with, whose guide takes the scheduler too long for each token (`engine.scheduler.guide_steps`).
TOO_SLOW = "the guide takes too long to follow: each output token leaves more ways to parse it; make it less ambiguous"

# What a request is ended with, for which no token is allowed (`engine.scheduler.dead_ends`).
DEAD_END = "no token is allowed next: the guide allows none, or only the end, which min_tokens forbids"
