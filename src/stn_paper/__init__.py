"""`stn reproduce`: run the cells of the paper's tables that have no result yet, and write the page that compares."""
