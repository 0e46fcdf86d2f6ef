"""House numbers, Table 2, and a stand-in for it.

svhn.py and synthetic.py are the images of either, network.py the networks, table.py the rows.
"""
