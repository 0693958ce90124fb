"""`armature flags [WORD]`: the native SGLang flags that engine.args accepts."""

from __future__ import annotations

from armature.cli.options import Parser
from armature.config.flags import OWNED, table
from armature.errors import UserError, did_you_mean, nearest


def parser() -> Parser:
    p = Parser(prog="armature flags", description="List the native flags of the pinned SGLang.")
    p.add_argument("word", nargs="?", default="", help="only flags whose name or help contains this word")
    return p


def main(argv: list[str]) -> int:
    word = parser().parse_args(argv).word.lower().replace("-", "_")
    version, flags = table()
    shown = [f for f in flags.values() if f.name not in OWNED and (word in f.name or word in f.help.lower())]
    if not shown:
        guess = nearest(word, flags)
        raise UserError(f"no flag of SGLang {version} contains {word!r}", fix=did_you_mean(guess and f"`armature flags {guess}`"))
    print(f"SGLang {version}: engine.args.<flag>=<value>")
    for flag in shown:
        kind = "|".join(map(str, flag.choices)) if flag.choices else ("true|false" if flag.kind in ("switch", "toggle") else flag.type)
        print(f"  {flag.name} ({kind})" + (f": {flag.help}" if flag.help else ""))
    return 0
