"""What `spacy train` is configured with: corpora, batchers, optimizers, loggers."""
