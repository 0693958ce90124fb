"""The hub: one alias per locked distribution, written from the lock's text. Nothing is fetched."""

def _distributions(text):
    """Names in a lock, as rules_python spells them: pinned lines are the only ones with == that are not indented."""
    found = []
    for line in text.split("\n"):
        if "==" in line and line[0].isalnum():
            name = line.split("==")[0].split("[")[0].strip().lower()
            for separator in ["-", "."]:
                name = name.replace(separator, "_")
            found.append(name)
    return found

def _pip_hub_impl(rctx):
    names = _distributions(rctx.read(rctx.path(rctx.attr.requirements_lock)))
    if not names:
        fail("%s pins no distribution" % rctx.attr.requirements_lock)
    for name in names:
        target = "@%s//%s" % (rctx.attr.wheels, name)
        rctx.file(name + "/BUILD.bazel", _alias(name, target) + _alias("extracted_whl_files", target))  # rules_python's name
    rctx.file("BUILD.bazel", _alias("environment", "@%s//:merged" % rctx.attr.wheels))
    rctx.file("requirements.bzl", """\
# All distributions at once: one merged tree with one entry on the import path.
all_requirements = ["@{hub}//:environment"]
""".format(hub = rctx.name))

def _alias(name, actual):
    return """\
alias(
    name = "{name}",
    actual = "{actual}",
    visibility = ["//visibility:public"],
)
""".format(name = name, actual = actual)

pip_hub = repository_rule(
    doc = "Aliases to the targets of a pip_wheels repository, and `all_requirements`.",
    implementation = _pip_hub_impl,
    attrs = {
        "requirements_lock": attr.label(mandatory = True, allow_single_file = True),
        "wheels": attr.string(mandatory = True, doc = "The pip_wheels repository's name."),
    },
)
