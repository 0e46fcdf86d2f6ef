"""MNIST addition, Table 4: data.py draws the pairs of digits, table.py has the rows and the numbers."""
