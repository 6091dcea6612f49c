"""The schema's history, for alembic. Nothing here is imported by the controller."""
