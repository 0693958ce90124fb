"""`armature completion SHELL`: what makes a shell complete the words of `armature`."""

from __future__ import annotations

from armature.cli.options import Parser

SHELLS = ("bash", "zsh", "fish")
DESCRIPTION = """\
Print a script with which a shell completes commands, options, topologies, groups, fields, values and SGLang's flags.

  bash   eval "$(armature completion bash)"       in ~/.bashrc
  zsh    eval "$(armature completion zsh)"        in ~/.zshrc, after compinit
  fish   armature completion fish | source        in ~/.config/fish/config.fish
"""


def parser() -> Parser:
    p = Parser(prog="armature completion", description=DESCRIPTION)
    p.add_argument("shell", choices=SHELLS, help="the shell")
    return p


def main(argv: list[str]) -> int:
    shell = parser().parse_args(argv).shell

    from argcomplete.shell_integration import shellcode

    print(shellcode(["armature"], shell=shell))
    return 0
