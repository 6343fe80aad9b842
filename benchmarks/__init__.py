"""Measurements of spacy-rnn, to be run from the root of the repository."""
