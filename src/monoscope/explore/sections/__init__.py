"""The sections of a report, each a function from its part of the report to markup, or to None without it."""
