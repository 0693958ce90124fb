"""The docs' pictures: all there, small enough for a repository, and taken of parts that the report has."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from armature.bench import report
from screenshots import FOLDER, MOST_BYTES, PICTURES, Picture, compact

PAGE = (Path(report.__file__).parent / "page.html").read_text()


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.file)
def test_each_picture_is_there_and_small(picture: Picture) -> None:
    assert 5_000 < (FOLDER / picture.file).stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.file)
def test_each_picture_shows_a_part_that_the_report_has(picture: Picture) -> None:
    name = picture.selector.removeprefix("#").removesuffix("-2")
    assert picture.selector == "body" or f'id="{name}' in PAGE


def test_a_compact_picture_keeps_its_size_in_pixels() -> None:
    out = io.BytesIO()
    Image.effect_noise((60, 40), 50).save(out, "png")
    small = compact(out.getvalue())
    assert Image.open(io.BytesIO(small)).size == (60, 40)
