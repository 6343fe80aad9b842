"""Reading, splitting and writing of labelled texts: the library behind `scripts/data.py`."""
