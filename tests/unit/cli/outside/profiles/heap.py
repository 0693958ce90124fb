"""A profile of a user's own."""

from armature.profiles.kind import ProfileKind

PROFILE = ProfileKind("heap", "what fills memory", control=("squawk",))
