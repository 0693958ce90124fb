"""Role `aggregated`."""

from armature.roles.kind import RoleKind

ROLE = RoleKind("aggregated", "prefill and decode in one engine")
