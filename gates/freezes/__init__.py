"""When nothing may go out: windows in a time zone, rules that repeat, and what passes all the same. No clock."""
