"""The settings of a station, and the sizes of what it receives."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from knowngood.errors import RecipeError

REQUEST_BYTES = 1 << 20
"""Bytes of a request that carries no picture, at most."""

PICTURE_BYTES = 64 << 20
"""Bytes of a picture, at most: 100 megapixels as JPEG take about 40 MB."""

BATCH_BYTES = 4 * PICTURE_BYTES
"""Bytes of a batch of pictures, at most."""

BATCH_PICTURES = 64
"""Pictures of a batch, at most."""

FIT_BYTES = 4 << 30
"""Bytes of the good images of a fit, at most."""

FIT_PICTURES = 5000
"""Good images of a fit, at most."""

INSPECTOR_BYTES = 512 << 20
"""Bytes of an uploaded inspector, at most; one has about 7 MB."""


class StationSettings(BaseModel):
    """What a station is started with.

    Example:
        >>> StationSettings(data=Path("station")).database_url
        'sqlite:///station/station.db'
        >>> StationSettings(data=Path("station"), port=0)
        Traceback (most recent call last):
        knowngood.errors.RecipeError: port=0: Input should be greater than or equal to 1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(description="The folder of the database, the pictures and the inspectors.")
    database: str | None = Field(None, description="The address of another database; None for SQLite in it.")
    storage: str | None = Field(None, description="The address of another place for pictures, as s3://line.")
    host: str = Field("127.0.0.1", description="The address to listen on; the default serves this machine.")
    port: int = Field(8321, ge=1, le=65535, description="The port to listen on.")
    tls_cert: Path | None = Field(None, description="The certificate of the server, PEM.")
    tls_key: Path | None = Field(None, description="The private key of that certificate, PEM.")
    workers: int = Field(1, ge=1, le=64, description="Processes that inspect.")
    batch: int = Field(8, ge=1, le=64, description="Waiting pictures that a process inspects together.")
    patience: float = Field(60.0, ge=1, le=3600, description="Seconds after which a process counts as stuck.")
    waiting: int = Field(128, ge=1, le=4096, description="Pictures that may wait; beyond, 503 is answered.")
    free: int = Field(
        256 << 20, ge=0, le=1 << 40, description="Bytes that stay free on the disk: below, 507 is answered."
    )

    def __init__(self, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            given = f"{name}={first['input']}: " if name else ""
            raise RecipeError(
                f"{given}{first['msg'].removeprefix('Value error, ')}", setting=name, value=first["input"]
            ) from None

    @model_validator(mode="after")
    def _both_or_none(self) -> StationSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("a certificate and its key go together; name both, --tls-cert and --tls-key")
        return self

    @property
    def secure(self) -> bool:
        """Whether it is served by TLS."""
        return self.tls_cert is not None

    @property
    def address(self) -> str:
        """Where its pages are."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    @property
    def database_url(self) -> str:
        """The address of its database."""
        return self.database or f"sqlite:///{self.data / 'station.db'}"

    @property
    def storage_url(self) -> str:
        """The address of its pictures."""
        return self.storage or str(self.data / "pictures")

    @property
    def incoming(self) -> Path:
        """The folder of pictures whose verdicts are not committed yet."""
        return self.data / "incoming"

    @property
    def inspectors(self) -> Path:
        """The folder of the uploaded inspectors."""
        return self.data / "inspectors"

    def inspector(self, digest: str) -> Path:
        """The file of an uploaded inspector, by its SHA-256."""
        return self.inspectors / f"{digest}.inspector"
