"""From prepared pictures to logits, the one way for everybody.

Sections 7 and 8 of the paper, where a network is only read.
May import `data` and all that lies below it."""
