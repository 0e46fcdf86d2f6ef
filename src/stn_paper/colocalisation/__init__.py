"""Co-localisation, Table 5.

data.py hides digits, network.py looks for them, task.py says how that is learnt, table.py has the rows and the numbers.
"""
