"""How everything is shown: progress, tables, curves, sheets of pictures, self-contained HTML pages.
Serves every section of the paper: one kit for every report.
May import `errors`, `files`, `paper` and `randomness`; never torch."""
