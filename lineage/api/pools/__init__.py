"""Where models are sketched: what a pool promises, and the two there are.

tasks        a model to sketch, and what can become of it
pool         the protocol, and the trying again of what was lost
local        threads of this process
ray_cluster  the nodes of a Ray cluster; the only module that knows Ray
on_node      what a node does, and how its answer is checked
"""
