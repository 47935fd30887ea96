"""What fills a network: checkpoints, class lists, public weights and their importers, model folders.

Section 7 of the paper, whose released models live on in these files.
May import `network` and all that lies below it."""
