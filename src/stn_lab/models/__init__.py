"""From the name of a model to a network.

spec.py         what a model is made of, as data        build.py        the network, of the size that is asked for
classifier.py   the layers                              theta_names.py  what a transformer's parameters are called
"""
