"""Many machines that one does not have: how fast they would train a network, and what that does to learning.

Section 6 and its DistBelief. Imports training and whatever lies below it; what needs no gradient imports no torch.
"""
