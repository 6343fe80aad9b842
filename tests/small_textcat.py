"""Settings of text classifiers that are small, for tests that train them."""

from thinc.api import Config

SMALL = Config().from_str(
    """
    [model]
    [model.tok2vec]
    [model.tok2vec.embed]
    width = 16
    rows = [100, 50, 50, 50]
    [model.tok2vec.encode]
    width = 16
    [model.linear_model]
    length = 1024
    """
)
