"""Operators: one folder each, with a readable twin beside every fast implementation."""
