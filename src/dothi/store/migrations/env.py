"""Alembic's entry: runs the migrations on the connection it is handed, in one transaction."""

from alembic import context

# Alembic takes SQLite's DDL for not transactional; it is, once BEGIN is sent: a failed migration leaves nothing behind.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
