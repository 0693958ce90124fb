"""Fetches a model from Hugging Face into a folder, with progress."""

from __future__ import annotations

import os
from pathlib import Path

from armature.errors import UserError

# What an engine reads. Other formats of the same weights (GGUF, ONNX, TensorFlow) are left where they are.
_WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken", "*.py")


def fetch(repo: str, revision: str, out: Path) -> None:
    """Download `repo` at `revision` into `out`; files that are there already are not fetched again.

    Raises UserError when the repository does not exist, needs a login, or cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"model.path={repo}"
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    try:
        snapshot_download(repo, revision=revision, local_dir=out, allow_patterns=list(_WANTED))
    except GatedRepoError:
        raise UserError(f"{repo} is gated: it wants a login", where=where, fix="accept its terms on its page, then set HF_TOKEN=") from None
    except RevisionNotFoundError:
        raise UserError(f"{repo} has no revision {revision!r}", where="model.revision", fix="model.revision=main") from None
    except RepositoryNotFoundError:
        raise UserError(
            f"Hugging Face has no repository {repo!r}, or it is private", where=where, fix="check the name, or set HF_TOKEN="
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as e:
        reason = "HF_HUB_OFFLINE=1 is set" if offline else str(e).splitlines()[0]
        raise UserError(
            f"{repo} is not on this machine and Hugging Face cannot be reached: {reason}",
            where=where,
            fix="connect, or copy the model's folder here and use model.path=FOLDER; model.weights=dummy downloads nothing",
        ) from None
    if not (out / "config.json").is_file():
        raise UserError(f"{repo} has no config.json", where=where, expected="a model in Hugging Face's format")
