"""How fast the library is, beside what people use today: `stn bench`.

rows.py     what is measured: shapes and warps     passes.py   how: forward, with gradients
peers.py    against what: other libraries          timing.py   interleaved, medians with quartiles
problem.py  the tensors of a row                   agreement.py  nobody is timed who computes something else
memory.py, cold_start.py                           in fresh processes (child.py)
command.py  the options of `stn bench`, into plan.py
run.py      all of it, into a `Result`             result.py   which is a file of JSON
goals.py, cost_model.py                            what the numbers say
chart.py, page.py, scaling_page.py                 pictures and pages of a result
"""
