"""Downpour SGD on Ray: parameter shards as actors, replicas that fetch and push at their own pace, one that leads.

Section 6: "DistBelief ... asynchronous stochastic gradient descent". Imports training and `distributed.shard`; Ray in
`actors`, `cluster` and `crew` alone.
"""
