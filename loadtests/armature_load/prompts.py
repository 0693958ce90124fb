"""Prompts without a tokenizer, made in microseconds: slices of one long random text that is written before the run.

A prompt is a few pieces of its own, then a window of that text, so two prompts never begin alike unless they are meant to.
Pieces are token ids ("123,"), or words of about one token each ("time ").
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Literal

from armature_load.draws import Draw

PIECES = 1 << 17
HEAD = 4  # pieces of its own: a few hundred million prompts, times as many windows
BLOCK = 512  # tokens of a trace's block
_WORDS = """
able about above add after again air all also always and animal answer any area ask back base be because become been before
begin being best better big bird black blue board boat body book both box boy bring brown build busy but buy call came can
car care carry case cause change check city class clear close cold color come common complete contain cool corner could
country course cover cross cry cut dark day deep did direct do does dog door down draw drive dry during each early earth ease
east eat end enough even ever every example eye face fact fall family far farm fast father feel feet few field figure fill
final find fine fire first fish five fly follow food foot for force form found four free friend from front full game gave get
girl give go gold good got govern great green ground group grow had half hand happen hard have he head hear heat help her
here high him his hold home horse hot hour house how hundred idea if inch is island just keep kind king knew know land
language large last late laugh lay lead learn leave left less let letter life light like line list little live long look lot
love low machine made main make man many map mark may mean men might mile mind minute miss money moon more morning most
mother mountain move much music must name near need never new next night north nothing notice noun now number object of off
often old on once one only open or order other our out over own page paper part pass pattern people perhaps person picture
piece place plain plan plane plant play point port pose possible power press problem produce product pull put question quick
rain ran reach read ready real record red remember rest right river road rock room round rule run said same saw say school
science sea second see seem self sentence serve set several shape she ship short should show side simple since sing sit six
size sleep slow small snow so some song soon sound south space special stand star start state stay step still stood stop
story street strong study such sun sure surface system table tail take talk teach tell ten test than that the them then there
these they thing think this those though thought thousand three through time to together told too took top toward town travel
tree true try turn two under unit until up us usual very voice vowel wait walk want war warm watch water way we week weight
well went were west what wheel when where which while white who whole why will wind with wonder wood word work world would
write year yes yet you young
"""
WORDS = _WORDS.split()


class Corpus:
    """The text that prompts are cut from."""

    def __init__(self, seed: int, kind: Literal["ids", "text"], id_range: tuple[int, int]) -> None:
        rng = random.Random(f"corpus/{seed}/{kind}")
        if kind == "ids":
            self._vocabulary = [b"%d," % i for i in range(id_range[0], id_range[1] + 1)]
        else:
            self._vocabulary = [word.encode() + b" " for word in WORDS]
        pieces = rng.choices(self._vocabulary, k=PIECES)
        self._text = b"".join(pieces)
        self._starts = [0, *accumulate(map(len, pieces))]
        self._blocks: dict[int, bytes] = {}
        self._seed = seed

    def prompt(self, tokens: int, draw: Draw) -> bytes:
        """`tokens` pieces; which, follows from `draw`."""
        own = min(HEAD, tokens)
        bits, n = draw.bits(4), len(self._vocabulary)
        head = [self._vocabulary[(bits >> 16 * k) % n] for k in range(own)]
        return b"".join(head) + self._window(draw.below(5, PIECES), tokens - own)

    def block(self, hash_id: int, tokens: int = BLOCK) -> bytes:
        """The first `tokens` pieces of a trace's block: the same wherever the trace names this hash."""
        found = self._blocks.get(hash_id)
        if found is None:
            found = self._blocks[hash_id] = self.prompt(BLOCK, Draw(self._seed, "block", hash_id))
        if tokens == BLOCK:
            return found
        separator = self._vocabulary[0][-1:]
        return b"".join(piece + separator for piece in found.split(separator)[:tokens])

    def _window(self, start: int, tokens: int) -> bytes:
        parts = []
        while tokens > 0:
            end = min(start + tokens, PIECES)
            parts.append(self._text[self._starts[start] : self._starts[end]])
            tokens -= end - start
            start = 0
        return b"".join(parts)
