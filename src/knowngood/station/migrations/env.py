"""What Alembic runs for each upgrade: the scripts, on the connection that it was given."""

from alembic import context

from knowngood.station.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
