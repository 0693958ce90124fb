"""Role `prefill`."""

from armature.roles.kind import RoleKind

ROLE = RoleKind(
    "prefill",
    "prefill; the KV cache goes to a decode worker",
    apis=("prefill",),
    worker_type="prefill",
    component="prefill",
    partners=("decode",),
    handover="sends",
    control=("pair/probe",),
)
