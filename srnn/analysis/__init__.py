"""The analyses: one module per question; a function takes runs, or an organism and data, and returns a DataFrame."""
