"""${message}."""

import sqlalchemy as sa
from alembic import op

from knowngood.station.models import Moment, Number

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Bring the tables forward."""
    ${upgrades if upgrades else "pass"}
