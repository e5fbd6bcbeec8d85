"""What is particular to students and teachers; see also the contract tests."""

import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import make_detector
from knowngood.detectors.efficient_ad import TwoHeadedStudent
from knowngood.detectors.reverse_distillation import RestoringStudent
from knowngood.detectors.stfpm import SeeingStudent
from knowngood.detectors.student_teacher import Teacher
from knowngood.errors import TrainingError
from knowngood.features.pyramid import apart, joined
from knowngood.training.standardise import Standardise

PICTURE, MAPS = (3, 32, 64), [(5, 8, 16), (6, 4, 8)]
STUDENTS = {
    "reverse_distillation": (RestoringStudent, 0, {"width": 4}),
    "stfpm": (SeeingStudent, 1, {"width": 4}),
    "efficient_ad": (TwoHeadedStudent, 1, {"width": 8, "code": 3, "hard": 0.25}),
}


def make(name):
    """A student with random weights of a teacher that changes nothing, and three samples."""
    student, before, settings = STUDENTS[name]
    torch.manual_seed(0)
    shapes = [PICTURE] * before + MAPS
    scale = [Standardise(torch.zeros(()), torch.ones(())) for _ in MAPS]
    tensors = [torch.randn(3, *shape) for shape in shapes]
    return student(Teacher(shapes, scale, before=before), **settings), tensors


@pytest.mark.parametrize("name", STUDENTS)
def test_only_the_student_learns(name):
    student, tensors = make(name)
    student.losses(joined(tensors), None)["loss"].backward()
    assert all(parameter.grad is not None for parameter in student.parameters())
    assert not list(student.teacher.parameters())


@pytest.mark.parametrize("name", STUDENTS)
def test_outputs_that_are_all_the_same_are_a_fault(name):
    student, tensors = make(name)
    student.requires_grad_(False)
    assert student.fault(joined(tensors)) == ""
    for parameter in student.parameters():
        parameter.zero_()
    assert "collapsed" in student.fault(joined(tensors))


@pytest.mark.parametrize("name", ["reverse_distillation", "stfpm"])
def test_errors_do_not_depend_on_the_length_of_vectors(name):
    student, tensors = make(name)
    given, maps = tensors[: -len(MAPS)], tensors[-len(MAPS) :]
    student.imitate = lambda *_: [3 * level for level in maps]
    assert student.errors(joined(tensors)).abs().max() < 1e-5
    turned = [*given, *(-level for level in maps)]
    of_turned = [level.mean().item() for level in student.distances(joined(turned))]
    assert of_turned == pytest.approx([2, 2])


def test_strides_are_summed_or_multiplied_on_the_finest_grid():
    for name, expected in {"reverse_distillation": 0.75, "stfpm": 0.125}.items():
        student, tensors = make(name)
        student.distances = lambda _: [torch.full((3, 8, 16), 0.5), torch.full((3, 4, 8), 0.25)]
        torch.testing.assert_close(student.errors(joined(tensors)), torch.full((3, 8, 16), expected))


def test_the_embedding_is_half_as_fine_as_the_coarsest_map():
    student, tensors = make("reverse_distillation")
    seen = []
    student.embed.register_forward_hook(lambda *given: seen.append(given[2].shape[2:]))
    restored = student.imitate([], tensors)
    assert seen == [(2, 4)]
    assert [level.shape for level in restored] == [level.shape for level in tensors]


class TestEfficientAd:
    def test_the_largest_differences_are_learned_from(self):
        student, tensors = make("efficient_ad")
        features = joined(tensors)
        wanted, given, *_ = student.eval()(features)
        largest = (wanted - given).square().flatten().sort(descending=True).values
        hardest = student.losses(features, None)["hardest"]
        torch.testing.assert_close(hardest, largest[: len(largest) // 4].mean())

    def test_maps_are_in_units_of_held_out_images(self, good_images):
        recipe = make_detector("efficient_ad", {"epochs": 1, "width": 8, "folds": 2})
        fit = recipe.fit(ImageSet(list(good_images[:4]), Reading((64, 64))), seed=0, device="cpu")
        for network in fit.fitted.networks:
            assert network.units.shape == (2,)
            assert (network.units > 0).all()
            assert (network.units != 1).all()


@pytest.mark.parametrize("name", STUDENTS)
def test_a_collapse_is_named(name, good_images, monkeypatch):
    monkeypatch.setattr(STUDENTS[name][0], "fault", lambda *_: "it has collapsed")
    recipe = make_detector(name, {"epochs": 1, "width": 4, "folds": 2})
    with pytest.raises(TrainingError, match=f"^{name}: it has collapsed"):
        recipe.fit(ImageSet(list(good_images[:2]), Reading((64, 64))), seed=0, device="cpu")


def test_tensors_are_joined_and_come_apart():
    tensors = [torch.randn(4, 3, 6, 2), torch.randn(4, 5)]
    for given in (tensors, tensors[:1]):
        shapes = [tensor.shape[1:] for tensor in given]
        for one, other in zip(apart(joined(given), shapes), given, strict=True):
            assert torch.equal(one, other)
    assert joined(tensors[:1]) is tensors[0]
    np.testing.assert_array_equal(joined(tensors).shape, (4, 41))
