"""The distributions of a lock, fetched by pip with every hash checked."""

load(":runtime.bzl", "ENVIRON", "find_python")

def _pip_wheels_impl(rctx):
    exe, _ = find_python(rctx)
    lock = rctx.path(rctx.attr.requirements_lock)
    rctx.report_progress("pip, %s: a minute, and gigabytes, the first time" % rctx.attr.requirements_lock)
    r = rctx.execute([exe, "-I", rctx.path(rctx.attr.unpack), lock], timeout = 7200)
    if r.return_code:
        fail("%s could not be installed:\n%s" % (rctx.attr.requirements_lock, (r.stdout + r.stderr)[-6000:]))

pip_wheels = repository_rule(
    doc = "One package per distribution, and //:merged, one tree of them all.",
    implementation = _pip_wheels_impl,
    attrs = {
        "requirements_lock": attr.label(mandatory = True, allow_single_file = True),
        "unpack": attr.label(default = "@armature_repo//third_party/pip:unpack_wheels.py", allow_single_file = True),
    },
    environ = ENVIRON,
)
