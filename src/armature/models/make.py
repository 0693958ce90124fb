"""Builds a model's folder from its dimensions: seeded random weights, or no weights at all for `load_format=dummy`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from armature.errors import UserError
from armature.models.tokenizer import write_tokenizer
from armature.models.weights import write_weights

_ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}
_DIMENSIONS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "tie_word_embeddings",
    "rope_theta",
)


def make(spec: Mapping[str, Any], out: Path, say: Callable[[str], None] = print) -> None:
    """Build the model of `spec` at `out`, replacing what is there.

    spec: the fields of `config.schema.Shape`, and weights: random | none. The same spec makes the same bytes.
    The folder appears whole or not at all, also when two processes build it at once.
    """
    if spec["family"] not in _ARCHITECTURES:
        raise UserError(f"no family is called {spec['family']!r}", where="--spec", expected=", ".join(_ARCHITECTURES))
    with whole(out) as work:
        say("tokenizer: a byte-level one with a chat template")
        ids = write_tokenizer(spec["family"], work)
        _write_configs(spec, ids, work)
        if spec["weights"] == "random":
            say(f"weights: random, seed {spec['seed']}")
            say(f"weights: {write_weights(spec, work):,} parameters")
    say(f"model: {out}")


@contextlib.contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` at the end; it goes when filling it fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield work
        put_in_place(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_configs(spec: Mapping[str, Any], ids: Mapping[str, int | None], folder: Path) -> None:
    """config.json and generation_config.json, with the same special tokens in both."""
    special = {f"{role}_token_id": token for role, token in ids.items()}
    config = {
        "architectures": [_ARCHITECTURES[spec["family"]]],
        "model_type": spec["family"],
        **{name: spec[name] for name in _DIMENSIONS},
        **special,
        "attention_bias": False,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "dtype": "float32" if spec["weights"] == "random" else "bfloat16",
    }
    # Greedy by default: a reference run and a served one then agree without further options.
    generation = {**special, "do_sample": False}
    for name, content in (("config.json", config), ("generation_config.json", generation)):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")


def put_in_place(work: Path, out: Path) -> None:
    """Rename `work` to `out`, moving away what is there; of several builders at once the last one's folder stays.

    Between moving away and renaming another builder may put its own folder there: then that is moved away too. This
    ends, since a builder leaves as soon as its rename has been done.
    """
    work.chmod(0o755)
    while True:
        try:
            os.rename(work, out)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
        try:
            os.rename(out, old / out.name)
        except FileNotFoundError:
            pass
        finally:
            shutil.rmtree(old, ignore_errors=True)
