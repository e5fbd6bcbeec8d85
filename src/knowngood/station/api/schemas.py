"""What the interface takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from knowngood.station.lookup import PRODUCT
from knowngood.station.models import InspectorVersion, Verdict

Role = Literal["operator", "engineer", "administrator"]
Reason = Annotated[str, Field(min_length=3, max_length=1000, description="Why; it is kept in the audit log.")]
Name = Annotated[str, Field(min_length=1, max_length=80)]
ProductName = Annotated[str, Field(pattern=PRODUCT)]
Detail = Literal["fast", "normal", "fine"]
Password = Annotated[str, Field(max_length=1000)]


class Body(BaseModel):
    """What a request brings."""

    model_config = ConfigDict(extra="forbid")


class NewPassword(Body):
    """A one-time link, and the password that its owner chose."""

    link: Annotated[str, Field(max_length=200)]
    password: Password
    name: Name | None = None


class Login(Body):
    """A name and a password."""

    name: Annotated[str, Field(max_length=100)]
    password: Password


class NewProduct(Body):
    """A product to make."""

    name: ProductName


class Why(Body):
    """A reason."""

    reason: Reason


class NewThreshold(Why):
    """Another threshold of a version."""

    value: Annotated[float, Field(allow_inf_nan=False)]


class NewLabel(Body):
    """What a person says of a verdict."""

    decision: Literal["good", "defect"]
    defect_type: Annotated[str | None, Field(max_length=200)] = None
    region: dict[str, Any] | None = None


class NewFit(Body):
    """A folder of good images on the station's machine."""

    folder: Annotated[str, Field(min_length=1, max_length=1000)]


class NewUser(Body):
    """A person to invite."""

    name: Name
    role: Role


class ChangedUser(Why):
    """What changes of a person."""

    role: Role | None = None
    disabled: bool | None = None


class NewToken(Body):
    """A token to make; without products it reaches all."""

    name: Name
    role: Role = "operator"
    products: Annotated[list[ProductName] | None, Field(max_length=100)] = None
    expires: AwareDatetime | None = None


class Answer(BaseModel):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True)


class ProductAnswer(Answer):
    """A product."""

    name: str
    created: datetime
    released: int | None = Field(None, description="The number of the version that inspects.")


class VersionAnswer(Answer):
    """A version of an inspector."""

    product: str
    number: int
    state: str
    file_hash: str
    fingerprint: str
    method: str
    threshold: float
    review: float | None
    created: datetime
    created_by: str

    @classmethod
    def of(cls, version: InspectorVersion, product: str) -> VersionAnswer:
        """That of a row."""
        names = cls.model_fields.keys() - {"product"}
        return cls(product=product, **{name: getattr(version, name) for name in names})


class VerdictAnswer(Answer):
    """The result of inspecting one picture."""

    id: int
    product: str
    version: int
    fingerprint: str
    received: datetime
    picture_hash: str
    width: int
    height: int
    score: float
    p_value: float
    decision: str
    predicted_class: str | None
    threshold: float
    regions: list[dict[str, Any]]
    notes: list[str]
    milliseconds: float
    idempotency_key: str | None
    source: str
    label: str | None

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictAnswer:
        """That of a row."""
        names = cls.model_fields.keys() - {"product", "version", "fingerprint"}
        return cls(
            product=verdict.product.name,
            version=verdict.version.number,
            fingerprint=verdict.version.fingerprint,
            **{name: getattr(verdict, name) for name in names},
        )


class HistoryAnswer(Answer):
    """A page of verdicts."""

    verdicts: list[VerdictAnswer]
    next: str | None = Field(description="What to give as `after` for the next page; none on the last one.")


class LabelAnswer(Answer):
    """What a person said of a verdict."""

    by: str
    decision: str
    defect_type: str | None
    region: dict[str, Any] | None
    time: datetime


class UserAnswer(Answer):
    """A person."""

    name: str
    role: str
    disabled: bool
    created: datetime
    locked_until: datetime | None


class LinkAnswer(Answer):
    """A link by which a person sets a password, once."""

    name: str
    link: str


class TokenAnswer(Answer):
    """A token, without its secret."""

    name: str
    role: str
    products: list[str] | None
    created: datetime
    created_by: str
    expires: datetime | None


class NewTokenAnswer(TokenAnswer):
    """A token with its secret, which is shown this once."""

    secret: str


class AuditAnswer(Answer):
    """An entry of the audit log."""

    sequence: int
    time: datetime
    who: str
    what: str
    why: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    hash: str


class JobAnswer(Answer):
    """A long work."""

    id: int
    task: str
    state: str
    progress: float
    message: str
    created: datetime
    created_by: str
    finished: datetime | None


class Me(Answer):
    """Who asks."""

    name: str
    role: str
    products: list[str] | None
    csrf: str | None = Field(description="What a browser sends as X-CSRF-Token with every change.")
