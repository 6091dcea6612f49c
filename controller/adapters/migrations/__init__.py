"""Everything about migrations that touches the world: the parsing process, and what renders frameworks to SQL."""
