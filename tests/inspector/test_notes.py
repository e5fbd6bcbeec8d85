"""Images that are unlike those that an inspector learned from."""

import numpy as np
import pytest
from typer.testing import CliRunner

import knowngood
from knowngood.cli.app import app
from knowngood.data.images import significant_bits
from knowngood.detectors.gaussian import Gaussian
from knowngood.errors import DataError
from knowngood.inspector.notes import CLIPPED, SHAPE, note_sentences

RECIPE = Gaussian(input_size=128)


@pytest.fixture(scope="module")
def deep(good_images):
    """A 12-bit camera whose good images stay below 1024."""
    return [np.clip(image.mean(axis=2) * 5, 0, 1000).astype(np.uint16) for image in good_images]


@pytest.fixture(scope="module")
def inspector(deep):
    return knowngood.fit(deep, RECIPE)


def notes_on(inspector, images):
    return [verdict.notes for verdict in inspector.inspect(images)]


def test_what_is_brighter_than_the_bits_is_said(inspector, deep):
    assert inspector.manifest.bits == 10
    found = {}
    for gain in (1.0, 1.5, 4.0):
        brighter = [np.minimum(image * gain, 4095).astype(np.uint16) for image in deep[:4]]
        found[gain] = set(notes_on(inspector, brighter))
    assert found == {1.0: {()}, 1.5: {(CLIPPED,)}, 4.0: {(CLIPPED,)}}
    assert note_sentences(inspector.manifest, [(), (CLIPPED,), (CLIPPED,)]) == [
        "2 images have values brighter than the 10 bits that training images use; they were cut at white"
    ]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((96, 96), ()),
        ((190, 190), ()),
        ((96, 80), ()),
        ((96, 70), (SHAPE,)),
        ((70, 96), (SHAPE,)),
        ((200, 200), (SHAPE,)),
        ((47, 47), (SHAPE,)),
    ],
)
def test_another_aspect_ratio_or_size_is_said(inspector, size, expected):
    image = np.resize(np.arange(900, dtype=np.uint16), size)
    assert notes_on(inspector, [image]) == [expected]
    assert notes_on(inspector, [image, image]) == [expected] * 2


def test_sizes_of_training_images_are_a_range(inspector, good_images):
    assert inspector.manifest.sizes == [96, 96, 96, 96]
    mixed = [*good_images[:12], *(image[:, 8:72] for image in good_images[12:])]
    made = knowngood.fit(mixed, RECIPE)
    assert made.manifest.sizes == [96, 64, 96, 96]
    assert notes_on(made, [good_images[0], good_images[0][:, :60], good_images[0][:30]]) == [(), (), (SHAPE,)]
    (sentence,) = note_sentences(made.manifest, [(SHAPE,)])
    assert "than training images (96 x 64 to 96 x 96, height x width)" in sentence


def test_the_commands_say_it(tmp_path, deep):
    import cv2

    for number, image in enumerate(deep):
        (tmp_path / "train/good").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / f"train/good/{number:03}.png"), image)
    for name in ("good", "bright"):
        (tmp_path / "test" / name).mkdir(parents=True)
    for number, image in enumerate(deep[:3]):
        cv2.imwrite(str(tmp_path / f"test/bright/{number}.png"), image * 4)
        cv2.imwrite(str(tmp_path / f"test/good/{number}.png"), image[:, 16:80] - 1)
    out = str(tmp_path / "a.inspector")
    run = CliRunner().invoke
    fitted = run(
        app, ["fit", str(tmp_path), "--out", out, "--detector", "gaussian", "--set", "input_size=128"]
    )
    assert fitted.exit_code == 0
    assert "16-bit pixels  10 bits used; brighter values are cut at white" in fitted.stdout
    warnings = (
        "warning: 3 images have values brighter than the 10 bits that training images use",
        "warning: 3 images have another aspect ratio or size than training images (96 x 96, height x width)",
    )
    scored = run(app, ["score", out, str(tmp_path / "test")])
    evaluated = run(app, ["evaluate", out, str(tmp_path), "--out", str(tmp_path / "report")])
    for result in (scored, evaluated):
        assert result.exit_code == 0
        assert all(warning in result.stderr for warning in warnings)


def test_a_stuck_pixel_or_one_image_does_not_set_the_bits(good_images):
    deep = [(image.mean(axis=2) * 16).astype(np.uint16) for image in good_images]
    assert significant_bits(deep) == 12
    deep[0][5, 5] = 65535
    assert significant_bits(deep) == significant_bits(deep[:1] * 3) == significant_bits(deep[:1]) == 12
    deep[0][:] = 65535
    assert significant_bits(deep) == 12
    assert significant_bits([deep[0], *deep]) == 16


def test_an_alpha_does_not_set_the_bits():
    image = np.full((64, 64, 4), (100, 200, 4000, 65535), np.uint16)
    assert significant_bits([image]) == 12


@pytest.mark.parametrize("value", [0, 128])
@pytest.mark.parametrize("noise", [0, 1])
def test_images_that_show_nothing_are_named_as_that(value, noise):
    rng = np.random.default_rng(0)
    images = [np.full((96, 96, 3), value + at % 2, np.uint8) for at in range(12)]
    for image in images:
        image[rng.random((96, 96)) < 0.1] += noise
    with pytest.raises(DataError, match=r"the images to learn from show nothing: .* check the exposure"):
        knowngood.fit(images, RECIPE)


def test_one_image_that_shows_something_is_enough_to_go_on(good_images):
    images = [np.full((96, 96, 3), 100 + at, np.uint8) for at in range(10)]
    inspector = knowngood.fit([*images, good_images[0]], RECIPE)
    assert len(inspector.manifest.training) == 11
