"""Role `decode`."""

from armature.roles.kind import RoleKind

ROLE = RoleKind(
    "decode",
    "decode; the prompt's KV cache comes from a prefill worker",
    worker_type="decode",
    partners=("prefill",),
    handover="receives",
    keeps_prefixes=False,
    control=("pair/probe",),
)
