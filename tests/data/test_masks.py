import numpy as np
import pytest
from PIL import Image, ImageDraw

from knowngood.data.images import read_mask
from knowngood.data.masks import joined
from knowngood.errors import DataError


def drawn_mask():
    mask = Image.new("L", (64, 48))
    ImageDraw.Draw(mask).line((20, 20, 45, 31), fill=255, width=5)
    return mask


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {"quality": 75}), ("webp", {"quality": 75})])
def test_a_mask_in_a_format_that_loses_detail_is_cut_at_half_of_its_largest_value(tmp_path, suffix, options):
    drawn_mask().save(tmp_path / f"mask.{suffix}", **options)
    exact = np.array(drawn_mask()) > 0
    read = read_mask(tmp_path / f"mask.{suffix}", (48, 64))
    assert np.count_nonzero(read ^ exact) <= 0.1 * exact.sum()
    # The format counts, not the ending.
    (tmp_path / f"mask.{suffix}").rename(tmp_path / "mask.png")
    assert (read_mask(tmp_path / "mask.png", (48, 64)) == read).all()
    Image.new("L", (64, 48)).save(tmp_path / f"black.{suffix}", **options)
    assert not read_mask(tmp_path / f"black.{suffix}", (48, 64)).any()


@pytest.mark.parametrize(("name", "levels"), [("a.png", 1), ("a.png", 255), ("a.webp", 1), ("a.tif", 3)])
def test_a_mask_in_a_format_that_keeps_all_is_what_is_not_black(tmp_path, name, levels):
    mask = drawn_mask().point(lambda value: min(value, levels))
    mask.putpixel((3, 4), 1)
    mask.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    assert (read_mask(tmp_path / name, (48, 64)) == (np.array(mask) > 0)).all()


def test_several_masks_of_an_image_are_joined(tmp_path):
    whole = np.array(drawn_mask())
    for name, part in (("0", np.s_[:, :30]), ("1", np.s_[:, 30:])):
        half = np.zeros_like(whole)
        half[part] = whole[part]
        Image.fromarray(half).save(tmp_path / f"{name}.png")
    read = read_mask(joined([f"{tmp_path}/0.png", f"{tmp_path}/1.png"]), (48, 64))
    assert (read == (whole > 0)).all()
    Image.new("L", (64, 40)).save(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1\.png' is 40 x 64 but its image is 48 x 64"):
        read_mask(joined([f"{tmp_path}/0.png", f"{tmp_path}/1.png"]), (48, 64))


def test_a_name_with_the_separator_of_masks(tmp_path):
    odd = tmp_path / "a|b.png"
    drawn_mask().save(odd)
    assert read_mask(odd, (48, 64)).any()
    assert joined([str(odd)]) == str(odd)
    with pytest.raises(DataError, match="rename it"):
        joined([str(odd), "c.png"])
