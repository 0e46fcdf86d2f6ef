"""Fine-grained birds, Table 3, and a stand-in for it.

cub.py and two_parts.py are the images of either, backbones.py and network.py the networks, table.py the rows.
"""
