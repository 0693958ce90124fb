"""Where a field was set: the override on the command line, or the file and line under conf/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

Names = tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """Answers "who set this field?" for one composition.

    conf: the folders of configs, the package's first. overrides: (dotted key, the text as given), in the order given.
    choices: group -> chosen file's name.
    """

    conf: tuple[Path, ...]
    overrides: tuple[tuple[str, str], ...]
    choices: Mapping[str, str | None]

    def of(self, field: Sequence[str]) -> str | None:
        """The last thing that set `field` or a field around it; None when only the schema's default did."""
        path = tuple(str(p) for p in field)
        dotted = ".".join(path)
        for key, text in reversed(self.overrides):
            if dotted == key or dotted.startswith(key + ".") or key.startswith(dotted + "."):
                return f"the override {text!r}"
        for file, inner in self._files(path):
            line, _ = _find(file, inner)
            if line:
                return f"{self._shown(file)}:{line}"
        return None

    def exactly(self, field: Sequence[str]) -> str | None:
        """The last thing that set this very field; None when nothing names it."""
        path = tuple(field)
        for key, text in reversed(self.overrides):
            if key == ".".join(path):
                return f"the override {text!r}"
        for file, inner in self._files(path):
            line, depth = _find(file, inner)
            if line and depth == len(inner):
                return f"{self._shown(file)}:{line}"
        return None

    def _files(self, path: Names) -> list[tuple[Path, Names]]:
        """Files that may hold the field, last to be applied first, each with the field's path within it."""
        found: list[tuple[Path, Names]] = []
        if experiment := self.choices.get("experiment"):
            found.append((self._file("experiment", experiment), path))
        found.append((self.conf[0] / "config.yaml", path))
        if path and (choice := self.choices.get(path[0])):
            found.append((self._file(path[0], choice), path[1:]))
        return found

    def _file(self, group: str, choice: str) -> Path:
        files = [folder / group / f"{choice}.yaml" for folder in self.conf]
        return next((file for file in files if file.is_file()), files[0])

    def _shown(self, file: Path) -> str:
        own = self.conf[0]
        return f"conf/{file.relative_to(own)}" if file.is_relative_to(own) else str(file)


def _find(file: Path, path: Names) -> tuple[int | None, int]:
    """The line of the deepest part of `path` that the file has, and how many parts that was."""
    try:
        node = yaml.compose(file.read_text())
    except (OSError, yaml.YAMLError):
        return None, 0
    line, depth = (None, 0) if path else (1, 0)
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next(((k, v) for k, v in node.value if k.value == part), None)
        if pair is None:
            break
        line, node, depth = pair[0].start_mark.line + 1, pair[1], depth + 1
    return line, depth
