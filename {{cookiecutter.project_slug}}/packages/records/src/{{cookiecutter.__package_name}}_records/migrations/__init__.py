"""Migrations of the prediction log, for Alembic (https://alembic.sqlalchemy.org): `versions` has one module for each.

A migration adds columns that may be null, and never removes or renames one: during an update, services of the version
before write into the same table.
"""
