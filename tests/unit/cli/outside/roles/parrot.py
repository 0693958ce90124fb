"""A role of a user's own."""

from armature.roles.kind import RoleKind

ROLE = RoleKind("parrot", "repeats what it is told")
