"""Text that a user chose as the name of a file or a folder.

A model's name, a sweep's values and a branch may hold anything: slashes, `..`, quotes, other scripts, nothing at all. Each becomes
one path component here, and nowhere else. A name is for readers; what two things are is told by their values, never by their names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST = 100  # bytes of a component: file systems take 255, and suffixes, locks and temporary names come on top
DIGEST = 8  # hexadecimal digits
NODE_NAME = r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)*"  # of a node, and of a group of workers: it stands in files, options, labels and drawings
_UNSAFE = re.compile(r"[^A-Za-z0-9._=,@+-]+")
_EMPTY = "unnamed"


def component(text: str, longest: int = LONGEST) -> str:
    """`text` as one path component: 1 to `longest` ASCII letters, digits and `._=,@+-`, beginning with none of `.-` and ending in no dot.

    A text that is one already stays as it is. Any other becomes readable remains and a digest of the text: `/models/org/M` is
    `models_org_M-` with eight digits. So different texts have different components, up to collisions of the digest, unless one of
    them is the component of the other. Letters keep their case: see `distinct` for file systems that do not tell it.
    """
    if _is_component(text, longest):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()  # é becomes e
    remains = _UNSAFE.sub("_", plain if plain.strip() else text).lstrip(".-_").rstrip("._")
    return f"{remains[: longest - DIGEST - 1].rstrip('._-') or _EMPTY}-{digest(text)}"


def distinct(texts: Sequence[str]) -> list[str]:
    """The components of different `texts`, with a digest where two would differ by case alone."""
    names = [component(text) for text in texts]
    count = Counter(name.casefold() for name in names)
    return [
        f"{name[: LONGEST - DIGEST - 1]}-{digest(text)}" if count[name.casefold()] > 1 else name
        for name, text in zip(names, texts, strict=True)
    ]


def digest(text: str) -> str:
    """A short digest of any text, also of one that is not UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]


def _is_component(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and not _UNSAFE.search(text) and text[0] not in ".-" and text[-1] != "."
