"""The first tables."""

import sqlalchemy as sa
from alembic import op

from knowngood.station.models import Moment, Number

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "audit_entry",
        sa.Column("sequence", Number, autoincrement=False, nullable=False),
        sa.Column("time", Moment(), nullable=False),
        sa.Column("who", sa.String(length=100), nullable=False),
        sa.Column("what", sa.String(length=100), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_entry")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_audit_entry_previous_hash")),
    )
    op.create_table(
        "person",
        sa.Column("id", Number, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=True),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("locked_until", Moment(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
    )
    op.create_table(
        "product",
        sa.Column("id", Number, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("name", name=op.f("uq_product_name")),
    )
    op.create_table(
        "token",
        sa.Column("id", Number, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("products", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("expires", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("name", name=op.f("uq_token_name")),
        sa.UniqueConstraint("secret", name=op.f("uq_token_secret")),
    )
    op.create_table(
        "inspector_version",
        sa.Column("id", Number, nullable=False),
        sa.Column("product_id", Number, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("review", sa.Double(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_inspector_version_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspector_version")),
        sa.UniqueConstraint("product_id", "number", name=op.f("uq_inspector_version_product_id_number")),
    )
    with op.batch_alter_table("inspector_version", schema=None) as batch_op:
        batch_op.create_index(
            "ix_inspector_version_released",
            ["product_id"],
            unique=True,
            sqlite_where=sa.text("state = 'released'"),
            postgresql_where=sa.text("state = 'released'"),
        )

    op.create_table(
        "job",
        sa.Column("id", Number, nullable=False),
        sa.Column("product_id", Number, nullable=True),
        sa.Column("task", sa.String(length=50), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("message", sa.String(length=1000), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("finished", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_job_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_product_id"), ["product_id"], unique=False)

    op.create_table(
        "link",
        sa.Column("id", Number, nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("user_id", Number, nullable=True),
        sa.Column("expires", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["person.id"], name=op.f("fk_link_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sa.UniqueConstraint("secret", name=op.f("uq_link_secret")),
    )
    op.create_table(
        "session",
        sa.Column("id", Number, nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("user_id", Number, nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["person.id"], name=op.f("fk_session_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("secret", name=op.f("uq_session_secret")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_user_id"), ["user_id"], unique=False)

    op.create_table(
        "verdict",
        sa.Column("id", Number, nullable=False),
        sa.Column("product_id", Number, nullable=False),
        sa.Column("version_id", Number, nullable=False),
        sa.Column("received", Moment(), nullable=False),
        sa.Column("picture_hash", sa.String(length=64), nullable=False),
        sa.Column("picture_key", sa.String(length=200), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("p_value", sa.Double(), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("predicted_class", sa.String(length=200), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("regions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("notes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("milliseconds", sa.Double(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("label", sa.String(length=10), nullable=True),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_verdict_product_id")),
        sa.ForeignKeyConstraint(["version_id"], ["inspector_version.id"], name=op.f("fk_verdict_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
        sa.UniqueConstraint(
            "product_id", "idempotency_key", name=op.f("uq_verdict_product_id_idempotency_key")
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("verdict", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_verdict_picture_hash"), ["picture_hash"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_verdict_product_id_decision_received_id"),
            ["product_id", "decision", "received", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_verdict_product_id_label_received_id"),
            ["product_id", "label", "received", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_verdict_product_id_received_id"), ["product_id", "received", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_verdict_product_id_score_id"), ["product_id", "score", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_verdict_received_id"), ["received", "id"], unique=False)

    op.create_table(
        "label",
        sa.Column("id", Number, nullable=False),
        sa.Column("verdict_id", Number, nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("defect_type", sa.String(length=200), nullable=True),
        sa.Column("region", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("time", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["verdict_id"], ["verdict.id"], name=op.f("fk_label_verdict_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
    )
    with op.batch_alter_table("label", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_label_verdict_id"), ["verdict_id"], unique=False)
