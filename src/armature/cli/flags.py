"""`armature flags [WORD]`: the native SGLang flags that engine.args accepts."""

from __future__ import annotations

from armature.cli.options import Parser
from armature.config.flags import OWNED, table


def main(argv: list[str]) -> int:
    parser = Parser(prog="armature flags", description="List the native flags of the pinned SGLang.")
    parser.add_argument("word", nargs="?", default="", help="only flags whose name or help holds this word")
    word = parser.parse_args(argv).word.lower().replace("-", "_")
    version, flags = table()
    print(f"SGLang {version}: engine.args.<flag>=<value>")
    for flag in flags.values():
        if flag.name in OWNED or (word not in flag.name and word not in flag.help.lower()):
            continue
        kind = "|".join(map(str, flag.choices)) if flag.choices else ("true|false" if flag.kind in ("switch", "toggle") else flag.type)
        print(f"  {flag.name} ({kind})" + (f": {flag.help}" if flag.help else ""))
    return 0
