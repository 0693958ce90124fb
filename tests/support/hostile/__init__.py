"""Hostile requests, ordinary ones whose answers are known, and the rules by which a deployment passes when both are mixed.

`generate.request(seed, number, target)` is pure: the same arguments give the same bytes on every host. `mix.run` sends both
kinds to a deployment and watches its processes; `judge.broken` says which promises did not hold.
"""
