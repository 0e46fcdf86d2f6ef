"""`stn bench --parts alignment`: how exact and how fast `register` is, beside other libraries, on the same pairs."""
