"""What fits on a slide."""

import pytest

from knowngood.report.exhibits import Chart, Pictures, Table, Text
from knowngood.report.slide import facts_table, slides_of


def test_nothing_to_say_makes_no_slide():
    nothing = [Text("a", []), Text("b", ["", ""]), Table("c", ["d"], []), Pictures("e", [[]])]
    assert list(slides_of(nothing)) == []
    assert len(list(slides_of([Chart("f", lambda _: None)]))) == 1


@pytest.mark.parametrize("count", range(2, 30))
def test_sentences_are_divided_evenly_and_none_stands_alone(count):
    sentences = [f"Sentence {number}." for number in range(count)]
    slides = list(slides_of([Text("Conclusion", sentences)]))
    lengths = [len(slide.exhibit.sentences) for slide in slides]
    assert [one for slide in slides for one in slide.exhibit.sentences] == sentences
    assert max(lengths) - min(lengths) <= len(lengths)
    assert min(lengths) > 1
    numbers = [f"Conclusion ({n} of {len(slides)})" for n in range(1, len(slides) + 1)]
    assert [slide.title for slide in slides] == (numbers if len(slides) > 1 else ["Conclusion"])


def test_facts_have_room_where_names_are_short():
    (name, value), *_ = facts_table("", [("a", "word " * 18)]).rows
    assert (name, "\n" in value) == ("a", False)
    (_, value), *_ = facts_table("", [("a name " * 6, "word " * 18)]).rows
    assert "\n" in value


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        (
            "2: Best by validation: learning_rate=0.001 → 0.0001 (40.0 %); its test accuracy is 30.0 %",
            ["2: Best by validation: learning_rate=0.001 →", "0.0001 (40.0 %); its test accuracy is 30.0 %"],
        ),
        (
            "MNIST: An autoencoder, trained for 30 epochs; epoch 30 was kept",
            ["MNIST: An autoencoder, trained", "for 30 epochs; epoch 30 was kept"],
        ),
        ("word " * 11 + "(1 of 2)", ["word word word word word word", "word word word word word (1 of 2)"]),
        ("x" * 61, ["x" * 60, "x"]),
        ("Conclusion", ["Conclusion"]),
    ],
)
def test_no_line_of_a_title_is_a_remnant(title, lines):
    (slide,) = slides_of([Text(title, ["A sentence."])])
    assert slide.title.split("\n") == lines
