import pytest

from knowngood.data.expectations import balance, effective_numbers, expectations, of_classes

MVTEC = {("train", "good"): 213, ("test", "good"): 60, ("test", "bent"): 10, ("test", "cut"): 10}


def sentence(words, counts, **options):
    """The one sentence with these words."""
    (found,) = [sentence for sentence in expectations(counts, **options) if words in sentence]
    return found


def silent(words, counts, **options):
    return not any(words in sentence for sentence in expectations(counts, **options))


def test_classes_are_counted_by_split_and_in_all():
    assert of_classes(MVTEC) == {"good": 273, "bent": 10, "cut": 10}
    assert of_classes(MVTEC, "train") == {"good": 213}
    assert of_classes({}) == {}


def test_effective_numbers_are_those_of_the_formula():
    classes = {"good": 900, "dent": 99, "nick": 1}
    beta = 999 / 1000
    for name, number in effective_numbers(classes).items():
        assert number == pytest.approx((1 - beta ** classes[name]) / (1 - beta))
    assert effective_numbers({"good": 1}) == {"good": 1}
    assert effective_numbers({}) == {}
    many = effective_numbers({"good": 10**9, "dent": 1})
    assert many["dent"] == pytest.approx(1)


def test_balance():
    assert balance(MVTEC) == [
        "good to defects: 273 to 20 (14 to 1)",
        "largest to smallest class: 'good' to 'bent', 273 to 10 (27 to 1)",
        "effective numbers of images: good 178, bent 9.85, cut 9.85 (beta = 292/293)",
    ]
    assert balance({("train", "good"): 5}) == balance({}) == []
    assert balance({("train", "good"): 2, ("test", "dent"): 5})[0] == "good to defects: 2 to 5 (1 to 2.5)"
    assert balance({("test", "nick"): 2, ("test", "dent"): 5})[0].startswith("largest to smallest")


def test_few_images():
    counts = {("train", "good"): 250, ("train", "dent"): 50}
    assert sentence("overfitting", counts) == (
        "300 images are few to train a network from scratch: expect overfitting, and prefer frozen features, "
        "as the defaults of `knowngood fit` and `knowngood train` do"
    )
    assert silent("overfitting", {("train", "good"): 990, ("train", "dent"): 10})


def test_with_good_images_alone_nothing_is_said_of_classifiers():
    for count in (5, 100, 5000):
        sentences = " ".join(expectations({("train", "good"): count}))
        assert "knowngood fit" in sentences
        assert "classifier" not in sentences
        assert "overfitting" not in sentences


def test_what_accuracy_hides():
    assert sentence("balanced accuracy", {("train", "good"): 250, ("train", "dent"): 50}) == (
        "5 good per defect: always predicting good has an accuracy of 83 %; look at false rejects and "
        "escapes, or at balanced accuracy"
    )
    defects = {("train", "good"): 10, ("test", "dent"): 30}
    assert sentence("balanced accuracy", defects).startswith(
        "3 defects per good: always predicting defect has"
    )
    assert silent("balanced accuracy", {("train", "good"): 10, ("train", "dent"): 10})
    assert silent("balanced accuracy", {("train", "good"): 10})


def test_accuracy_is_that_of_the_test_split_where_the_data_have_one():
    assert sentence("balanced accuracy", MVTEC).startswith("3 good per defect in the test split: always")
    made = sentence("balanced accuracy", MVTEC, split_made=True)
    assert made.startswith("14 good per defect: always predicting good has an accuracy of 93 %")


def test_a_train_split_without_defects_is_for_a_detector():
    assert sentence("predicts types", MVTEC) == (
        "no defects in the train split: `knowngood fit` trains on the good images alone. `knowngood train`, "
        "which predicts types of defects, trains on 70 % of each type, and only the others test it"
    )
    assert "in the train split that was made here" in sentence("predicts types", MVTEC, split_made=True)
    assert silent("predicts types", MVTEC | {("train", "bent"): 3})


def test_classes_that_are_missing():
    assert "how many it finds cannot be measured" in sentence("no defects:", {("train", "good"): 30})
    assert sentence("no good images", {("test", "dent"): 30})
    assert silent("accepted", {("train", "good"): 30})
    assert "how many are accepted" in sentence(
        "no defect in the test", MVTEC | {("test", "bent"): 0, ("test", "cut"): 0, ("train", "bent"): 9}
    )
    assert "gives a bound" in sentence("no good image in the test", {("train", "good"): 30})


def test_few_good_images_to_train_on():
    assert sentence("few to train on", {("train", "good"): 5}).startswith(
        "the good images in the train split number 5:"
    )
    assert silent("few to train on", MVTEC)
    assert silent("few to train on", {("test", "dent"): 5})


def test_rare_types():
    counts = {("train", "good"): 300, ("test", "nick"): 1, ("test", "dent"): 9, ("test", "burr"): 10}
    assert sentence("has one image", counts).startswith("defect type 'nick' has one image")
    assert "('dent' 9)" in sentence("few images of a defect type", counts)
    assert "300 to 1" in sentence("very uneven", counts)
    assert silent("very uneven", {("train", "good"): 100, ("test", "dent"): 10})


@pytest.mark.parametrize(("count", "most"), [(1, "95 %"), (20, "14 %"), (60, "4.9 %"), (300, "1.0 %")])
def test_how_sure_a_faultless_test_is(count, most):
    counts = {("train", "good"): 30, ("test", "dent"): count}
    assert f"up to {most} of defects" in sentence("even if none is accepted", counts)


def test_nothing_is_said_of_nothing_wrong():
    counts = {(split, name): 2000 for split in ("train", "test") for name in ("good", "dent")}
    assert [sentence.partition(":")[0] for sentence in expectations(counts)] == [
        "2000 good images in the test split",
        "2000 defects in the test split",
    ]
