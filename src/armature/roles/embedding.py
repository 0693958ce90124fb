"""Role `embedding`."""

from armature.roles.kind import RoleKind

ROLE = RoleKind("embedding", "one vector for each text", apis=("embedding",), keeps_prefixes=False)
