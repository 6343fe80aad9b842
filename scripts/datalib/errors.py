"""The one exception that the commands show to the user as a message, not as a traceback."""


class DataError(Exception):
    """Something is wrong with the data or with how the command was called.

    title (str): What was found, in one line.
    text (str): What was expected, and what to do.
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__(f"{title} {text}")
        self.title = title
        self.text = text
