"""The report: a run folder in, one page of HTML (page.py) and one picture (strip.py) out."""
