"""How everything is shown: progress, tables, curves, sheets of pictures, self-contained HTML pages.

Serves all sections of the paper and knows none. May import `errors`, `files`, `paper` and `randomness`; never torch.
"""
