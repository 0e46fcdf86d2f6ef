"""3D to 2D, appendix A.3.

data.py turns digits in volumes, network.py looks at them from one side, table.py has the rows.
"""
