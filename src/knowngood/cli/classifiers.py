import typer

from knowngood.cli.detectors import echo_origin, echo_recipe


def classifiers() -> None:
    """List the classifiers of good parts and defects, with what they learn and their settings.

    Example: knowngood classifiers
    """
    from knowngood.classifiers import CLASSIFIERS
    from knowngood.training.imbalance import WHEN

    for name, recipe in CLASSIFIERS.items():
        echo_recipe(name, recipe)
        echo_origin(CLASSIFIERS, name)
    typer.echo("\nimbalance: which method when (finetune has all; the others learn with weights)")
    for name, when in WHEN.items():
        typer.echo(f"{name:20} {when}")
