"""The folder of a run: what lies where, how it comes to lie there, and how it is read again.

experiment.py   a run as data            folder.py       config.json, results.json
run.py          trains its models        evaluation.py   measures them again; sweep.py along a distortion
pictures.py     what its report draws
"""
