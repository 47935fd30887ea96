"""The networks: specifications as data, their exact cost, the torch module.

Sections 4 and 5 of the paper, Table 1, Figures 2 and 3.
May import `native`, `reporting`, `paper`, `randomness`, `files`, `machine`, `records` and `errors`."""
