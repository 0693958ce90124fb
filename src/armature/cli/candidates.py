"""What a word of a command line could become: topologies, groups and their choices, fields and their values, SGLang's flags, runs.

Everything here is asked for at each TAB, so nothing may be imported that takes its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from armature import env
from armature.config.field_data import GROUP, Field, fields
from armature.config.flags import OWNED, Flag, table
from armature.config.folder import folders, groups
from armature.roles import every as known_roles

FLAGS = "engine.args."  # what a mapping ends in whose keys are SGLang's flags
SWEEP = "hydra"  # what the keys of a sweep alone begin with
_HELP = 60  # characters of what stands in a section

Texts = Mapping[str, str]  # a text -> what it means


def override(word: str, others: Sequence[str] = (), several: bool = False) -> Texts:
    """What the beginning of a `KEY=VALUE`, or of a topology's name, could become.

    others: the words beside it, which may choose a topology. several: whether a field may have several values, as in a sweep.
    """
    plus = "+" if word.startswith("+") else ""
    key, equals, value = word.removeprefix(plus).partition("=")
    choices = groups(*folders())
    if equals:
        texts = {f"{key}={text}": meaning for text, meaning in _list(value, _values(key, choices), several).items()}
    else:
        texts = _begun(key, {f"{name}=": ", ".join(names) for name, names in choices.items()})
        texts |= _segments(key, _paths(key, choices, others, several))
    bare = {} if plus or equals else _list(word, dict.fromkeys(choices["topology"], "topology"), several)
    return {**bare, **{plus + text: meaning for text, meaning in texts.items()}}


def flags(word: str) -> Texts:
    """Names of SGLang's flags that users may set."""
    return _begun(word, {flag.name: flag.help for flag in _flags()})


def runs(word: str) -> Texts:
    """Runs as <name>/<id>, where runs are kept."""
    return _begun(word, {f"{plan.parent.parent.name}/{plan.parent.name}": "" for plan in sorted(env.runs_dir().glob("*/*/plan.json"))})


def roles(word: str) -> Texts:
    """Kinds of workers."""
    return _begun(word, {role.name: role.summary for role in known_roles()})


def flag_values(flag: Flag) -> list[str]:
    """All values of a flag, where they can be listed."""
    return ["true", "false"] if flag.kind in ("switch", "toggle") else [str(choice) for choice in flag.choices or ()]


def _begun(word: str, texts: Texts) -> dict[str, str]:
    return {text: meaning for text, meaning in texts.items() if text.startswith(word)}


def _list(typed: str, values: Texts, several: bool) -> dict[str, str]:
    """What a value, or the last one of a list, could become. Values that stand in the list already are left out."""
    before, comma, last = typed.rpartition(",") if several else ("", "", typed)
    taken = before.split(",")
    return {before + comma + value: meaning for value, meaning in _begun(last, values).items() if value not in taken}


def _values(key: str, choices: Mapping[str, Sequence[str]]) -> Texts:
    if key in choices:
        return dict.fromkeys(choices[key], key)
    place, _, name = key.rpartition(".")
    if f"{place}.".endswith(FLAGS):
        return next((dict.fromkeys(flag_values(flag), flag.help) for flag in _flags() if flag.name == name), {})
    field = next((field for path, field in fields().items() if _names(path, key)), Field(""))
    return dict.fromkeys(field.values, field.help)


def _names(path: str, key: str) -> bool:
    """Whether `path` is the field `key`, in which the user's name of a group may stand."""
    ours, theirs = path.split("."), key.split(".")
    return len(ours) == len(theirs) and all(a in (b, GROUP) for a, b in zip(ours, theirs, strict=True))


def _paths(key: str, choices: Mapping[str, Sequence[str]], others: Sequence[str], several: bool) -> dict[str, str]:
    """All fields that `key` may be the beginning of, with a section's own fields where it has been typed so far."""
    found: dict[str, str] = {}
    for path, field in fields().items():
        section, _, name = path.partition(".")
        if (path.startswith(SWEEP) and not several) or (name == "name" and section in choices and section != "model"):
            continue  # a choice of the group, not a field to set
        found |= dict.fromkeys(_for_groups(path, key, others), field.help)
    for place in [path for path in found if path.endswith(FLAGS) and key.startswith(path)]:
        found |= {place + flag.name: flag.help for flag in _flags()}
    return found


def _for_groups(path: str, key: str, others: Sequence[str]) -> Iterable[str]:
    """`path` for each group of workers of the topology that was chosen, once these are asked for."""
    before, group, after = path.partition(GROUP)
    if not group:
        return (path,)
    return [before + name + after for name in _workers(others)] if key.startswith(before) else (before,)


def _workers(words: Sequence[str]) -> list[str]:
    """The names of the groups of workers of the topology among `words`, or of the default one."""
    import yaml

    among = folders()
    known = groups(*among)["topology"]
    given = [word.lstrip("+").removeprefix("topology=").split(",")[0] for word in words]
    chosen = [word for word in given if word in known]
    if not chosen:
        defaults = yaml.safe_load((among[0] / "config.yaml").read_text())["defaults"]
        chosen = [entry["topology"] for entry in defaults if isinstance(entry, dict) and "topology" in entry]
    file = next(file for folder in among if (file := folder / "topology" / f"{chosen[-1]}.yaml").is_file())
    return list(yaml.safe_load(file.read_text()).get("roles") or {})


def _segments(key: str, paths: Texts) -> dict[str, str]:
    """The next parts of the paths that begin with `key`. A section that is the only one is opened, so that no more dot must be typed."""
    inner: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    for path, meaning in paths.items():
        if path.startswith(key) and not (path == key and key.endswith(".")):
            at = path.find(".", len(key)) + 1
            if at:
                inner.setdefault(path[:at], []).append(path[at:].partition(".")[0])
            else:
                found[f"{path}="] = meaning
    if len(inner) == 1 and not found:
        ((section, names),) = inner.items()
        if any(names):
            return _segments(section, paths)
    return found | {section: ", ".join(dict.fromkeys(filter(None, names)))[:_HELP] for section, names in inner.items()}


def _flags() -> list[Flag]:
    return [flag for flag in table()[1].values() if flag.name not in OWNED]
