"""The page to try a trained network on, `stn demo`: what it computes, and what is shown of it.

`changes.py` and `look.py` compute, `received.py` reads what people bring; none of them knows Gradio, which `page.py`
and `serving.py` do.
"""
