"""Entries of the file discovery that are missing come back, as long as they are wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.runtime.listing import ENDPOINTS, Listing

NAME = "ns%2Fbackend%2Fgenerate%2Fab12"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in (ENDPOINTS, "mdc"):
        for name in (NAME, NAME[:-1] + "3"):
            path = tmp_path / "v1" / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{kind} {name}")
    return tmp_path


def gone(folder: Path, kind: str) -> Path:
    path = folder / "v1" / kind / NAME
    path.unlink()
    return path


@pytest.mark.parametrize("kind", [ENDPOINTS, "mdc"])
def test_what_is_missing_comes_back_as_it_was(folder: Path, kind: str) -> None:
    listing = Listing(folder, 0xAB12, lambda _: True)
    assert listing.restore() == 0
    path = gone(folder, kind)
    assert listing.restore() == 1
    assert path.read_text() == f"{kind} {NAME}"
    assert not [f for f in folder.iterdir() if f.is_file()], "something is left beside it"


def test_a_kind_that_is_not_wanted_stays_away_until_it_is_listed_anew(folder: Path) -> None:
    wanted = {ENDPOINTS, "mdc"}
    listing = Listing(folder, 0xAB12, wanted.__contains__)
    listing.restore()
    wanted.remove(ENDPOINTS)
    path = gone(folder, ENDPOINTS)
    assert listing.restore() == 0
    wanted.add(ENDPOINTS)
    assert listing.restore() == 0 and not path.exists()


def test_entries_of_others_are_theirs(folder: Path) -> None:
    listing = Listing(folder, 0xAB12, lambda _: True)
    listing.restore()
    (folder / "v1" / "mdc" / (NAME[:-1] + "3")).unlink()
    assert listing.restore() == 0
