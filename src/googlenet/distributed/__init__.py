"""Training by several processes and machines, which share one loop (`training`) and one model.

Section 6: "modest amount of model and data-parallelism". Imports training and whatever lies below it, not detection.
"""
