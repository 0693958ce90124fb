"""Fetches a model from Hugging Face into a folder, with progress, and compares every file with the checksum that the hub has of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from armature.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

ASK_S = 15.0  # for the first question: without a network its answer is soon known

# What an engine reads. Other formats of the same weights (GGUF, ONNX, TensorFlow) are left where they are.
_WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken", "*.py")


class Unreachable(UserError):
    """Hugging Face does not answer. The model may be had elsewhere."""


def fetch(repo: str, revision: str, out: Path, say: Callable[[str], None] = print) -> None:
    """Download `repo` at `revision` into `out`; files that are there already are not fetched again.

    Raises UserError when the repository does not exist, needs a login, or when a file is damaged; Unreachable when the hub does not
    answer.
    """
    from huggingface_hub import HfApi, snapshot_download

    with _hub_errors(repo):
        if os.environ.get("HF_HUB_OFFLINE") == "1":  # what an earlier run has left, if anything
            snapshot_download(repo, revision=revision, local_dir=out, allow_patterns=list(_WANTED))
        else:
            found = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=ASK_S)
            files = [file for file in found.siblings or () if any(fnmatch(file.rfilename, pattern) for pattern in _WANTED)]
            say(f"weights: {repo} from Hugging Face, {sum(file.size or 0 for file in files) / 1e6:,.0f} MB, commit {found.sha}")
            # The commit, not the branch: files and checksums belong together.
            snapshot_download(repo, revision=found.sha, local_dir=out, allow_patterns=[file.rfilename for file in files])
            for file in files:
                verify(out / file.rfilename, file, repo)
            say(f"weights: the checksums of {len(files)} files match")
    if not (out / "config.json").is_file():
        raise UserError(f"{repo} has no config.json", where=f"model.path={repo}", expected="a model in Hugging Face's format")


def verify(path: Path, file: RepoSibling, repo: str) -> None:
    """Raise UserError unless `path` holds what the hub has as `file`; it is removed then, so that the next attempt fetches it."""
    if file.lfs is not None:
        wanted, digest = file.lfs.sha256, hashlib.sha256()
    elif file.blob_id is not None:  # git's name of a small file
        wanted, digest = file.blob_id, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        return
    with path.open("rb") as f:
        got = hashlib.file_digest(f, lambda: digest).hexdigest()
    if got != wanted:
        path.unlink()
        raise UserError(
            f"{file.rfilename} is damaged: its checksum is {got}",
            where=f"model.path={repo}",
            expected=wanted,
            fix="run the same command again: the damaged file was removed",
        )


@contextlib.contextmanager
def _hub_errors(repo: str) -> Iterator[None]:
    """Turn the hub's errors into ours."""
    from httpx import HTTPError
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"model.path={repo}"
    try:
        yield
    except GatedRepoError:
        raise UserError(f"{repo} is gated: it needs a login", where=where, fix="accept its terms on its page, then set HF_TOKEN=") from None
    except RevisionNotFoundError:
        raise UserError(f"{repo} has no such revision", where="model.revision", fix="model.revision=main") from None
    except RepositoryNotFoundError:
        raise UserError(
            f"Hugging Face has no repository {repo!r}, or it is private", where=where, fix="check the name, or set HF_TOKEN="
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, HTTPError, OSError) as e:
        reason = "HF_HUB_OFFLINE=1 is set" if os.environ.get("HF_HUB_OFFLINE") == "1" else str(e).splitlines()[0]
        raise Unreachable(
            f"{repo} is not on this machine and Hugging Face cannot be reached: {reason}",
            where=where,
            fix="connect, or copy the model's folder here and use model.path=FOLDER; model.weights=dummy downloads nothing",
        ) from None
