"""Distorted MNIST: table1.py is Table 1 of the paper; the others ask questions of our own on the same digits.

Digits, distortions and networks are those of `stn train --data mnist`.
"""
