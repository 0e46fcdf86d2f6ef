"""What a trained network is good for: many files, in batches, on one machine or several, and stopped at any time.

ranks.py      which process this is        listing.py   the files of folders, in order, however many
job.py        what is to be done and what has been: resumed, shared between processes
progress.py   how far it is                stream.py    decode, look and write, each while the others do
reading.py    files to pixels              looking.py   pixels to answers and regions of the original pictures
predictions.py  tables of answers          rectified.py  crops, COCO and contact sheet
"""
