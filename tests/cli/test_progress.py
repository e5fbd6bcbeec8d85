from knowngood.cli.progress import progress_bars, progress_lines


def test_a_line_at_each_stage_and_every_thirty_seconds():
    now, lines = 0.0, []
    progress = progress_lines(lines.append, clock=lambda: now)
    for now, stage, done in (  # noqa: B007 - the clock reads it
        (6.0, "reading images", 1),
        (20.0, "reading images", 2),
        (36.0, "reading images", 3),
        (40.0, "fold 1: training", 1),
        (45.0, "reading images", 4),  # a stage that was begun before
        (69.9, "fold 1: training", 2),
        (70.0, "fold 1: training", 3),
        (71.0, "reading images", 1),  # once more
        (72.0, "reading images", 2),
    ):
        progress(stage, done, 9)
    assert lines == [
        "reading images: 1 of 9",
        "reading images: 3 of 9",
        "fold 1: training: 1 of 9",
        "fold 1: training: 3 of 9",
        "reading images: 1 of 9",
    ]


def test_without_a_terminal_there_are_lines_on_standard_error(capsys):
    with progress_bars() as progress:
        for done in range(1, 4):
            progress("reading images", done, 3)
    assert capsys.readouterr() == ("", "reading images: 1 of 3\n")


def test_a_terminal_has_bars(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bars() as progress:
        progress("reading images", 1, 3)
        progress("reading images", 3, 3)
    assert "3/3" in capsys.readouterr().err
