import pytest

from knowngood.data.class_names import check_classes
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import DataError


def test_a_class_whose_images_show_one_part_only():
    classes, sources = ["a", "a", "b", "b"], ["0.png", "1.png", "2.png", "3.png"]
    with pytest.raises(DataError, match="class 'b' has one good part; at least 2 are needed"):
        check_classes(ImageSet(sources, Reading((8, 8)), classes, groups=[0, 1, 2, 2]))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (None, "the classes of the good images are not known; .* such as patchcore or rotation"),
        (["", "", ""], "the classes of the good images are not known"),
        (["a", "", "b"], r"1 of 3 good images have no class, such as '1\.png'"),
        (["a", "a", "a"], "all good images are of one class, 'a'.*take patchcore, or rotation"),
        (["a", "a", "b"], "class 'b' has one good part"),
    ],
)
def test_classes_that_will_not_do(classes, message):
    with pytest.raises(DataError, match=message) as caught:
        check_classes(ImageSet(["0.png", "1.png", "2.png"], Reading((8, 8)), classes))
    assert "\n" not in str(caught.value)
