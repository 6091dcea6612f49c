"""One module for each revision of the schema, never edited after a release of Interlock that holds it."""
