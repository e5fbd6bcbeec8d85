"""What the studies of classifiers have in common, on synthetic parts; and checks that hold for each study."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from knowngood.classifiers import make_classifier
from knowngood.data.labelled import with_defects_to_learn
from knowngood.data.samples import fingerprint, load_samples
from knowngood.errors import DataError
from knowngood.inspector.comparison import compare
from knowngood.inspector.inspector import Inspector
from knowngood.report.slide import Deck
from knowngood.report.supervised_slides import DOCUMENT
from knowngood.studies import supervised
from knowngood.studies.draw import Draw, counted
from knowngood.studies.origins import DataSet
from knowngood.studies.registry import run_study
from knowngood.studies.study import Method, Result, find, load_or_fit, run
from knowngood.studies.supervised import ClassifierStudy
from knowngood.studies.supervised_tables import (
    FIGURES,
    HELD_OUT,
    binary_figures,
    figure_rows,
    for_slides,
    held_out_figures,
    summary,
)
from knowngood.types import silent

from ..support.parts import write_parts

# --- checks for each study


def pages(path):
    """The number of pages of a PDF."""
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    return len(re.findall(rb"/Type\s*/Page\b", content))


FILES = ("arguments.json", "slides.pdf", "slides.pptx", "study.ipynb")
TABLES = ("runs.csv", "summary.csv", "figures.csv", "detectors.csv", "experiments.csv", "experiments")
"""What every study writes beside its tables."""


def check_tables(out, study, draws):
    """Runs, their means, and what is shown of these are consistent; the first is the method chosen."""
    chosen_by, document = study.choose_by, study.document
    runs, means, figures = (pd.read_csv(out / f"{name}.csv") for name in ("runs", "summary", "figures"))
    ran = list(zip(runs["method"], runs["part"], strict=True))
    assert ran == [(method.title, draw.name) for method in study.classifiers for draw in draws]
    names = [name for name in runs.columns if name not in ("method", "part")]
    assert set(FIGURES) | {HELD_OUT, "held_out_classes", "class_accuracy", "macro_f1"} <= set(names)

    by_method = means.set_index("method")
    grouped = runs.groupby("method")[names]
    mean, sd = grouped.mean().loc[by_method.index], grouped.std().loc[by_method.index]
    assert (by_method["runs"] == len(draws)).all()
    for name in names:
        np.testing.assert_allclose(by_method[name], mean[name], rtol=1e-9)
        np.testing.assert_allclose(by_method[f"{name}_sd"], sd[name], atol=1e-9)
    assert by_method[chosen_by].idxmax() == means["method"][0]
    assert means[chosen_by].is_monotonic_decreasing

    shown = figures.set_index("figure")
    assert len(shown) == len(means) * len(names)
    for place, row in means.iterrows():
        for name in names:
            of_figure = shown.loc[f"{row['method']}{'' if place else ' (chosen)'}: {name}"]
            assert of_figure["value"] == pytest.approx(row[name])
            assert of_figure["sd"] == pytest.approx(row[f"{name}_sd"])
            known = document.get(name) if place == 0 else None
            assert of_figure["document"] == (
                pytest.approx(known) if known else pytest.approx(np.nan, nan_ok=True)
            )


def check_inspectors(out, methods, draws):
    """Each learned from the train split, all of it and nothing else."""
    for draw in draws:
        table = draw.samples
        learned = fingerprint(table["path"][table["split"] == "train"].tolist())
        kept_back = fingerprint(table["path"][table["split"] == "test"].tolist())
        if draw.validation is not None:
            kept_back += fingerprint(draw.validation["path"].tolist())
        assert kept_back
        assert not set(learned) & set(kept_back)
        for method in methods:
            manifest = Inspector.load(out / method.name / f"{draw.name}.inspector").manifest
            assert manifest.training == learned
            assert manifest.seed == draw.seed
            assert not set(manifest.training) & set(kept_back)


def check_again(name, data, out):
    """A study that was finished is not learned again, and says the same."""
    inspectors = {path: path.stat().st_mtime_ns for path in out.glob("*/*.inspector")}
    assert inspectors
    before = {path.name: path.read_text() for path in out.glob("*.csv")}
    figures = run_study(name, data, out, quick=True)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*.inspector")} == inspectors
    assert {path.name: path.read_text() for path in out.glob("*.csv")} == before
    pd.testing.assert_frame_equal(figures, pd.read_csv(out / "figures.csv"))


# --- the engine, on synthetic images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train/good": 10, "test/good": 4, "test/hole": 8, "test/scratch": 8}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


def probe(side, **settings):
    return make_classifier("linear_probe", {"input_size": side, **settings})


def draws(folder, seed):
    found = []
    for one in (seed, seed + 1):
        table = with_defects_to_learn(folder, 0.5, seed=one)
        table.attrs.clear()
        rows = table[table["split"] == "test"].groupby(["label", "defect"]).head(1).index
        found.append(
            Draw(f"seed{one}", one, table.drop(rows).reset_index(drop=True), validation=table.loc[rows])
        )
    return found


def answers(found):
    yield from found.data()
    yield from found.training()
    yield from found.outcome()
    yield from found.predictions()


@pytest.fixture(scope="module")
def study():
    return ClassifierStudy(
        name="widget",
        title="Widgets",
        course="A course",
        data_set=DataSet("widgets", "drawn here", "none"),
        methods=[Method(f"probe{side}", probe(side), f"a probe of {side} pixels") for side in (32, 64)],
        draws=draws,
        by="type",
        choose_by=HELD_OUT,
        metrics=["accuracy", HELD_OUT],
        facts=[("training images", "{train}"), ("validation images", "{validation}"), ("runs", "{runs}")],
        choices=[("method", "by held-out images")],
        document={"accuracy": 0.8},
        answers=answers,
    )


@pytest.fixture(scope="module")
def methods(study):
    return study.methods


@pytest.fixture(scope="module")
def parts(folder):
    return draws(folder, 0)


def do(study, data, out, progress=silent):
    """Learn and measure every job, as the engine does, and keep what was seen of each."""
    results = []
    for job in study.jobs(data, 0):
        inspector = load_or_fit(job, out / job.path, device="cpu", progress=progress)
        results.append(Result(job, *study.measure(job, inspector, progress)))
    return results


@pytest.fixture(scope="module")
def done(study, folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "study"
    results = do(study, folder, out)
    evaluations = {method.name: [] for method in study.methods}
    for result in results:
        evaluations[result.job.method.name].append(result.shown)
    return out, study.tables(results)["runs"], evaluations


def test_every_method_learns_from_every_part(done, methods, parts):
    out, runs, evaluations = done
    assert runs[["method", "part"]].values.tolist() == [
        [method.title, part.name] for method in methods for part in parts
    ]
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.*")} == {
        f"{method.name}/{part.name}.inspector" for method in methods for part in parts
    }
    assert {name: len(found) for name, found in evaluations.items()} == {"probe32": 2, "probe64": 2}
    check_inspectors(out, methods, parts)


def test_evaluations_are_of_the_test_images(done, parts):
    for found in done[2].values():
        for evaluation, part in zip(found, parts, strict=True):
            tested = part.table["path"][part.table["split"] == "test"]
            assert set(evaluation.scores["path"]) == set(tested)
            assert evaluation.metrics["warnings"] == []


def test_the_figures_are_those_of_scikit_learn(done, methods):
    _, runs, evaluations = done
    flat = [evaluation for method in methods for evaluation in evaluations[method.name]]
    for row, evaluation in zip(runs.to_dict("records"), flat, strict=True):
        scores = evaluation.scores
        defect, rejected = scores["label"] == "defect", scores["decision"] == "reject"
        assert row["accuracy"] == pytest.approx(accuracy_score(defect, rejected))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(defect, rejected))
        assert row["precision"] == pytest.approx(precision_score(defect, rejected))
        assert row["recall"] == pytest.approx(recall_score(defect, rejected))
        assert row["f1"] == pytest.approx(f1_score(defect, rejected))
        assert row["image_auroc"] == pytest.approx(roc_auc_score(defect, scores["score"]))
        truth = scores["defect"].replace("", "good")
        assert row["class_accuracy"] == pytest.approx((truth == scores["predicted_class"]).mean())
        assert row["macro_f1"] == pytest.approx(f1_score(truth, scores["predicted_class"], average="macro"))


def test_held_out_figures_see_no_test_image(done, methods, parts):
    out, runs, _ = done
    by_run = runs.set_index(["method", "part"])
    for method in methods:
        for part in parts:
            inspector = Inspector.load(out / method.name / f"{part.name}.inspector")
            record = inspector.classifier
            scaled = record.logits.astype(np.float64) / record.temperature
            scores = np.logaddexp.reduce(scaled[:, 1:], axis=1) - scaled[:, 0]
            row = by_run.loc[(method.title, part.name)]
            assert row[HELD_OUT] == pytest.approx(roc_auc_score(record.truth > 0, scores))
            assert row["held_out_classes"] == pytest.approx(
                balanced_accuracy_score(record.truth, record.logits.argmax(axis=1))
            )
            assert held_out_figures(inspector) == {name: row[name] for name in (HELD_OUT, "held_out_classes")}


def test_validation_figures_are_of_the_validation_images(done, methods, parts):
    out, runs, _ = done
    row = runs.iloc[0]
    validation = parts[0].validation
    verdicts = Inspector.load(out / methods[0].name / "seed0.inspector").inspect(list(validation["path"]))
    rejected = np.array([verdict.decision == "reject" for verdict in verdicts])
    defect = (validation["label"] == "defect").to_numpy()
    assert row["validation_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(defect, rejected))
    assert row["validation_recall"] == pytest.approx(recall_score(defect, rejected))


@pytest.fixture
def learning(monkeypatch):
    """How often something is learned."""
    seeds = []

    def noted(*arguments, **options):
        seeds.append(options["seed"])
        return train(*arguments, **options)

    train = supervised.train
    monkeypatch.setattr(supervised, "train", noted)
    return seeds


@pytest.fixture
def one(done, study, parts, folder, tmp_path):
    """One method and one draw, which were done before."""
    method = study.methods[1]
    kept = tmp_path / method.name / "seed0.inspector"
    kept.parent.mkdir()
    kept.write_bytes((done[0] / method.name / "seed0.inspector").read_bytes())

    def again(recipe=method.recipe, draw=parts[0], progress=silent):
        changed = dataclasses.replace(
            study, methods=[dataclasses.replace(method, recipe=recipe)], draws=lambda *_: [draw]
        )
        return changed.tables(do(changed, folder, tmp_path, progress))["runs"]

    return kept, again


def test_what_was_learned_is_not_learned_again(one, learning, done):
    _, again = one
    pd.testing.assert_frame_equal(again(), done[1].iloc[[2]].reset_index(drop=True))
    assert learning == []


def test_another_recipe_seed_or_table_is_learned_anew(one, learning, parts):
    kept, again = one
    again(recipe=probe(64, imbalance="none"))
    assert Inspector.load(kept).manifest.recipe["imbalance"] == "none"
    again(draw=dataclasses.replace(parts[0], seed=7))
    assert Inspector.load(kept).manifest.seed == 7
    fewer = parts[0].table.drop((parts[0].table["split"] == "train").idxmax())
    again(draw=dataclasses.replace(parts[0], table=fewer))
    assert learning == [0, 7, 0]


def test_a_file_that_is_broken_or_of_an_older_recipe_is_made_anew(one, learning):
    kept, again = one
    inspector = Inspector.load(kept)
    older = {name: value for name, value in inspector.manifest.recipe.items() if name != "agreement"}
    Inspector(dataclasses.replace(inspector.manifest, recipe=older), inspector.graph, inspector.records).save(
        kept
    )
    again()
    kept.write_bytes(kept.read_bytes()[:1000])
    again()
    assert learning == [0, 0]
    assert Inspector.load(kept).manifest == dataclasses.replace(
        inspector.manifest, created=Inspector.load(kept).manifest.created
    )


def test_progress_names_method_and_draw_and_what_was_interrupted_goes_on(
    done, study, folder, learning, tmp_path
):
    """Methods and experiments alike: only what is missing is learned."""
    grid = {
        "classifier": "linear_probe",
        "settings": {"input_size": 32},
        "experiments": [{"imbalance": "none"}, {"input_size": 64}],
    }
    small = dataclasses.replace(study, methods=study.methods[:1], experiments=lambda _: grid)
    (tmp_path / "probe32").mkdir()
    for name in ("seed0", "seed1"):
        file = f"probe32/{name}.inspector"
        (tmp_path / file).write_bytes((done[0] / file).read_bytes())
    stages = set()

    def interrupted(stage, done, total):
        stages.add(stage)
        if "imbalance=auto → none, 1: " in stage:
            raise KeyboardInterrupt

    options = {"device": "cpu", "deck": Deck("Widgets", []), "arguments": {"seed": 0, "settings": {}}}
    with pytest.raises(KeyboardInterrupt):
        run(small, folder, tmp_path, progress=interrupted, **options)
    assert any(stage.startswith("1 of 5, a probe of 32 pixels, seed0: ") for stage in stages)
    assert learning == [0, 0]  # the original experiment, and the first change in vain
    figures = run(small, folder, tmp_path, progress=silent, **options)
    assert learning == [0, 0, 0, 0]  # both changes
    experiments = (tmp_path / "experiments.csv").read_text()
    pd.testing.assert_frame_equal(figures, run(small, folder, tmp_path, progress=silent, **options))
    assert learning == [0, 0, 0, 0]
    assert (tmp_path / "experiments.csv").read_text() == experiments

    table = pd.read_csv(tmp_path / "experiments.csv")
    assert table["experiment"].tolist() == ["original", "1", "2"]
    assert table["change"].fillna("").tolist() == ["", "imbalance=auto → none", "input_size=32 → 64"]
    first = draws(folder, 0)[0].table
    expected = compare(first, grid, seed=0, device="cpu").drop(columns="seconds")
    pd.testing.assert_frame_equal(table.drop(columns="change"), expected.drop(columns="change"))
    assert pages(tmp_path / "slides.pdf") > 8


def test_good_images_beside_the_table_are_learned_from_by_methods_not_by_experiments(study, parts, folder):
    known = load_samples(folder).query("split == 'train'")
    draw = dataclasses.replace(parts[0], known_good=known)
    grid = {"classifier": "linear_probe", "settings": {"input_size": 32}}
    changed = dataclasses.replace(study, draws=lambda *_: [draw], experiments=lambda _: grid)
    jobs = changed.jobs(folder, 0)
    table = draw.table
    learned = table["path"][table["split"] == "train"].tolist()
    assert [job.images for job in jobs] == [[*known["path"], *learned]] * 2 + [learned]
    assert draw.samples.attrs == {}
    assert len(draw.table) == len(table) == len(draw.samples) - len(known)


def test_a_quick_study_is_the_same_on_small_images():
    from knowngood.studies import screw

    full, quick = screw.STUDY, screw.STUDY.quick(draws)
    assert [method.title for method in quick.methods] == [method.title for method in full.methods]
    assert [method.recipe.input_size for method in quick.methods] == [64, 64, 32, 32]
    assert {method.recipe.orientation for method in quick.methods} == {"any"}
    assert quick.methods[2].recipe.epochs == 2
    assert quick.facts == [fact for fact in full.facts if fact[0] != "the document"]
    assert quick.choose_by == full.choose_by
    assert (quick.document, quick.is_quick, full.is_quick) == ({}, True, False)


# --- tables


RUNS = pd.DataFrame(
    {
        "method": ["a", "a", "b", "b"],
        "part": ["seed0", "seed1"] * 2,
        "accuracy": [0.9, 1.0, 0.5, 0.7],
        HELD_OUT: [0.6, 0.8, 0.9, 0.9],
    }
)


def test_the_summary_has_the_best_by_held_out_images_first():
    table = summary(RUNS, HELD_OUT)
    assert table["method"].tolist() == ["b", "a"]
    assert table["accuracy"].tolist() == pytest.approx([0.6, 0.95])
    assert table["accuracy_sd"].tolist() == pytest.approx(
        [np.std([0.5, 0.7], ddof=1), np.std([0.9, 1.0], ddof=1)]
    )
    assert table["runs"].tolist() == [2, 2]
    assert summary(RUNS, "accuracy")["method"].tolist() == ["a", "b"]


def test_of_equals_the_first_comes_first():
    assert summary(RUNS.assign(**{HELD_OUT: 0.9}), HELD_OUT)["method"].tolist() == ["a", "b"]


def test_the_document_stands_beside_the_method_chosen():
    rows = figure_rows(summary(RUNS, HELD_OUT), "screws", {"accuracy": 0.8})
    assert (rows["task"] == "screws").all()
    assert rows["figure"].tolist() == [
        *("b (chosen): accuracy", f"b (chosen): {HELD_OUT}", "a: accuracy", f"a: {HELD_OUT}")
    ]
    assert rows["document"].tolist() == pytest.approx([0.8, np.nan, np.nan, np.nan], nan_ok=True)
    assert rows["value"].tolist() == pytest.approx([0.6, 0.9, 0.95, 0.7])


def test_slides_show_some_figures_and_the_document_last():
    table = summary(RUNS, HELD_OUT)
    shown = for_slides(table, ["accuracy"], {"accuracy": 0.8})
    assert shown["method"].tolist() == ["b (chosen)", "a", DOCUMENT]
    assert list(shown.columns) == ["method", "accuracy", "accuracy_sd"]
    assert shown["accuracy"].tolist() == pytest.approx([0.6, 0.95, 0.8])
    assert np.isnan(shown["accuracy_sd"].iloc[-1])
    assert for_slides(table, ["accuracy"], {})["method"].tolist() == ["b (chosen)", "a"]
    assert table["method"].tolist() == ["b", "a"]  # it is not changed


def test_figures_of_a_classifier_that_rejects_nothing_or_everything(done, methods, parts):
    inspector = Inspector.load(done[0] / methods[0].name / "seed0.inspector")
    for line, said in ((1e6, (0.0, 0.0, 0.0)), (-1e6, (10 / 10 * 6 / 9, 1.0, 0.8))):
        moved = inspector.with_threshold(dataclasses.replace(inspector.threshold, value=line), validation=[])
        evaluation = supervised.evaluate(moved, parts[0].table)
        counts = evaluation.metrics["counts"]
        assert (counts["good"], counts["defect"]) == (3, 6)
        figures = binary_figures(evaluation)
        assert (figures["precision"], figures["recall"], figures["f1"]) == pytest.approx(said)
        assert figures["balanced_accuracy"] == 0.5


# --- data


def test_the_number_of_images_in_words(folder):
    table = load_samples(folder)
    assert counted(table) == "14 good, 16 defective (2 types)"
    assert counted(table[table["defect"] != "hole"]) == "14 good, 8 defective"


def test_counts_and_words_of_a_draw(parts):
    draw = parts[0]
    assert draw.counts["training"] == {"good": 10, "hole": 4, "scratch": 4}
    assert sum(sum(part.values()) for part in draw.counts.values()) == len(draw.table) + len(draw.validation)
    words = draw.words(5)
    assert (words["runs"], words["classes"], words["size"]) == (5, "3: good, hole, scratch", "96 × 96")
    assert words["train"] == "10 good, 8 defective (2 types)"


def test_a_detector_sees_no_defect_and_no_test_image(parts, folder):
    draw = parts[0]
    assert set(draw.good["label"]) == {"good"}
    assert set(draw.unknown["path"]) == set(draw.table["path"][draw.table["split"] == "test"])
    beside = load_samples(folder).query("split == 'train'")
    other = dataclasses.replace(draw, known_good=beside)
    assert list(other.good["path"]) == list(beside["path"])
    assert set(other.unknown["path"]) == set(draw.table["path"])
    assert set(other.unknown["split"]) == {"test"}


def test_the_first_place_that_is_there(tmp_path):
    (tmp_path / "screw").mkdir()
    assert find(tmp_path, "mvtec/screw", "screw") == tmp_path / "screw"
    (tmp_path / "mvtec/screw").mkdir(parents=True)
    assert find(tmp_path, "mvtec/screw", "screw") == tmp_path / "mvtec/screw"


def test_no_place_is_there(tmp_path):
    with pytest.raises(DataError, match="holds no folder mvtec/screw or screw; put the data set there"):
        find(tmp_path, "mvtec/screw", "screw")
