import dataclasses

import numpy as np
import pytest
from PIL import Image

from knowngood.classifiers import pasted
from knowngood.classifiers.pasted import with_pasted
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import DataError
from knowngood.training.store import store_images
from knowngood.types import silent

NAMES = ["good", "scratch", "stain"]
SHAPE = (64, 64)


@pytest.fixture(scope="module")
def parts(good_images, defect_images, defect_masks, tmp_path_factory):
    """Ten good parts, six scratched and six stained ones, and the files of their masks."""
    folder = tmp_path_factory.mktemp("masks")
    stained, stains = good_images[10:16].copy(), np.zeros((6, 96, 96), bool)
    for number, (image, stain) in enumerate(zip(stained, stains, strict=True)):
        stain[36 + 3 * number : 46 + 3 * number, 40:52] = True
        image[stain] = 30
    images = np.concatenate([good_images[:10], defect_images, stained])
    masks = [""] * 10
    for number, mask in enumerate([*defect_masks, *stains]):
        masks.append(str(folder / f"{number}.png"))
        Image.fromarray(mask.astype(np.uint8) * 255).save(masks[-1])
    return ImageSet(list(images), Reading(SHAPE), np.repeat(NAMES, [10, 6, 6]).tolist(), masks=masks)


@pytest.fixture
def kept(parts):
    with store_images(parts, seed=0) as store:
        yield store


@pytest.fixture
def asked(monkeypatch):
    """What was asked to be pasted: good parts, defects with masks, and how."""
    calls = []

    def spy(goods, defects, count, **how):
        calls.append((goods, defects, count, how))
        return paste_many(goods, defects, count, **how)

    paste_many = pasted.paste_many
    monkeypatch.setattr(pasted, "paste_many", spy)
    return calls


def paste(kept, parts, *, count=6, masks=None, orientation="fixed", seed=0, progress=silent):
    images = parts if masks is None else dataclasses.replace(parts, masks=masks)
    return with_pasted(kept, images, count, orientation=orientation, seed=seed, progress=progress)


def among(image, images):
    return any(np.array_equal(image, other) for other in images)


class TestWithPasted:
    def test_what_is_made_is_learned_from(self, kept, parts):
        before = np.array(kept.samples)
        more, words = paste(kept, parts)
        made = len(more.train) - len(kept.train)
        assert words == f"pasted: of 12 made images {made} were plausible and are learned from"
        assert 6 <= made <= 12
        assert len(more.samples) == len(more.labels) == len(more.index) == 22 + made
        assert set(more.labels[22:].tolist()) == {1, 2}
        # The real ones are as they were, and as many are held out.
        np.testing.assert_array_equal(more.samples[:22], before)
        np.testing.assert_array_equal(more.labels[:22], kept.labels)
        np.testing.assert_array_equal(more.validation, kept.validation)
        np.testing.assert_array_equal(more.train, [*kept.train, *range(22, 22 + made)])
        assert more.index[22:].tolist() == [-1] * made

    def test_none_comes_from_a_held_out_image(self, kept, parts, asked):
        paste(kept, parts)
        held_out = [kept.samples[row] for row in kept.validation]
        assert len(held_out) >= 3
        assert [len(defects) for _, defects, _, _ in asked] == [
            int((kept.labels[kept.train] == number).sum()) for number in (1, 2)
        ]
        for number, (goods, defects, _, _) in enumerate(asked, 1):
            of = {
                kind: [kept.samples[row] for row in kept.train[kept.labels[kept.train] == kind]]
                for kind in (0, number)
            }
            assert all(among(good, of[0]) for good in goods)
            assert all(among(image, of[number]) for image, _ in defects)
            assert not any(among(image, held_out) for image in [*goods, *(image for image, _ in defects)])

    def test_each_mask_lies_on_its_defect(self, kept, parts, asked):
        paste(kept, parts)
        for number, (_, defects, count, how) in enumerate(asked, 1):
            assert count == 6
            assert how["seed"] == number
            for image, mask in defects:
                assert mask.dtype == bool
                assert mask.shape == SHAPE
                inside, outside = image[mask].mean(), image[24:40, 24:40][~mask[24:40, 24:40]].mean()
                assert (inside > outside + 30) if number == 1 else (inside < outside - 30)

    @pytest.mark.parametrize(
        ("orientation", "turn", "mirror"),
        [("fixed", False, False), ("mirrored", False, True), ("quarter", False, True), ("any", True, True)],
    )
    def test_defects_are_turned_as_products_may_lie(self, kept, parts, asked, orientation, turn, mirror):
        paste(kept, parts, orientation=orientation, count=2)
        assert all((how["turn"], how["mirror"]) == (turn, mirror) for _, _, _, how in asked)

    def test_labels_are_those_of_the_defects(self, kept, parts, monkeypatch):
        """Where what is made is the defect itself, each has its own label."""
        monkeypatch.setattr(
            pasted,
            "paste_many",
            lambda goods, defects, count, **_: (
                np.stack([image for image, _ in defects]),
                np.arange(len(defects)),
            ),
        )
        more, words = paste(kept, parts)
        real = kept.train[kept.labels[kept.train] > 0]
        assert len(more.train) - len(kept.train) == len(real)  # all of them plausible
        assert f"of {len(real)} made images {len(real)} were" in words
        order = real[np.argsort(kept.labels[real], kind="stable")]
        np.testing.assert_array_equal(more.labels[22:], kept.labels[order])
        np.testing.assert_array_equal(more.samples[22:], np.stack([more.samples[row] for row in order]))

    def test_what_does_not_look_like_its_type_is_left_out(self, kept, parts, monkeypatch):
        def mixed(goods, defects, count, **_):
            # Two are good parts, and only the others defects.
            return np.stack([*goods[:2], *(image for image, _ in defects[:3])]), np.zeros(5, np.int64)

        monkeypatch.setattr(pasted, "paste_many", mixed)
        more, words = paste(kept, parts)
        assert "of 10 made images 6 were plausible" in words
        good = [kept.samples[row] for row in kept.train if kept.labels[row] == 0]
        assert not any(among(sample, good) for sample in more.samples[22:])

    def test_the_same_seed_makes_the_same(self, parts):
        made = []
        for seed in (0, 0, 1):
            with store_images(parts, seed=0) as store:
                more, _ = paste(store, parts, seed=seed)
                made.append(np.array(more.samples[22:]))
        np.testing.assert_array_equal(made[0], made[1])
        assert not np.array_equal(made[0], made[2])

    def test_a_type_without_masks_is_passed_over(self, kept, parts, asked):
        masks = [*parts.masks[:16], *[""] * 6]
        told = []
        more, words = paste(kept, parts, masks=masks, progress=lambda *what: told.append(what))
        assert len(asked) == 1
        assert set(more.labels[22:].tolist()) == {1}
        assert "of 6 made images" in words
        assert told == [("pasting defects", 1, 2), ("pasting defects", 2, 2)]

    def test_without_any_mask_it_is_an_error(self, kept, parts):
        with pytest.raises(DataError, match=r"pasted needs the masks of defects.*take pasted=0"):
            paste(kept, parts, masks=[""] * 22)

    def test_masks_of_held_out_defects_alone_do_not_count(self, kept, parts):
        held_out = set(kept.index[kept.validation].tolist())
        masks = [mask if place in held_out else "" for place, mask in enumerate(parts.masks)]
        assert any(masks)
        with pytest.raises(DataError, match="masks of defects to learn from, and there are none"):
            paste(kept, parts, masks=masks)

    def test_a_mask_of_another_size_is_named(self, kept, parts, tmp_path):
        place = int(kept.index[kept.train[kept.labels[kept.train] == 1][0]])
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "small.png")
        masks = list(parts.masks)
        masks[place] = str(tmp_path / "small.png")
        with pytest.raises(DataError, match=r"small\.png' is 8 x 8 but its image is 96 x 96"):
            paste(kept, parts, masks=masks)

    def test_its_images_are_left_as_they_are(self, kept, parts):
        before = [image.copy() for image in parts.sources]
        fields = dataclasses.asdict(kept)
        paste(kept, parts, count=2)
        np.testing.assert_array_equal(np.stack(parts.sources), np.stack(before))
        for name, value in dataclasses.asdict(kept).items():
            np.testing.assert_array_equal(value, fields[name])
