"""What Alembic runs for each upgrade: the scripts, on the connection that it was given."""

from alembic import context

from knowngood.station.models import Base


def upgrade() -> None:
    """Run the scripts in one transaction."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # while Alembic runs
    upgrade()
