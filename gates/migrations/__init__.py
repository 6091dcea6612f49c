"""Grades of database migrations: pure rules over the parser's tree. No text is run here, and nothing is looked up."""
