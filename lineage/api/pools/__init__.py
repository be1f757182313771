"""Where models are sketched: the protocol of a pool, and its two implementations.

tasks        a model to sketch, and what can become of it
pool         the protocol, and the retries of lost tasks
local        threads of this process
ray_cluster  the nodes of a Ray cluster; the only module that knows Ray
on_node      what a node does, and how its answer is checked
"""
