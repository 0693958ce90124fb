"""Images for multimodal prompts: noise, so that no two are alike and nothing compresses them away."""

from __future__ import annotations

import base64
import random
import struct
import zlib

DISTINCT = 16  # made before the run; requests take turns


def data_uris(size: str, seed: int) -> list[bytes]:
    """`DISTINCT` PNG images of `size` ("64x64") as data URIs."""
    width, height = map(int, size.split("x"))
    rng = random.Random(f"images/{seed}/{size}")
    return [b"data:image/png;base64," + base64.b64encode(_png(width, height, rng)) for _ in range(DISTINCT)]


def _png(width: int, height: int, rng: random.Random) -> bytes:
    rows = b"".join(b"\0" + rng.randbytes(3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + body
