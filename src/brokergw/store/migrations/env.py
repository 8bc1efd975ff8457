"""What alembic runs to migrate: on the connection that the caller brings, in the caller's transaction."""

from alembic import context

from brokergw.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
context.run_migrations()
