"""The whole detector: one file that proposes boxes, classifies them, and says what is where; its training and use.

Section 8 of the paper, Tables 4 and 5.
May import all of `detection`; nothing in `detection` imports it."""
