"""What is printed holds no command for the terminal, whoever wrote the label, file name or message in it."""

from typing import Any, Collection
from unicodedata import category

from wasabi import Printer


def plain(value: Any) -> Any:
    """RETURNS (Any): A text whose characters are all printed, but for line breaks; anything else as it is.

    >>> print(plain("red \\x1b[31m rose"))
    red \\x1b[31m rose
    """
    if not isinstance(value, str):
        return value
    return "".join(c if _is_plain(c) else ascii(c)[1:-1] for c in value)


def _is_plain(character: str) -> bool:
    return character.isprintable() or character == "\n" or category(character) == "Zs"


class PlainPrinter(Printer):
    """wasabi's printer, with texts that are printed as they are."""

    def text(self, title: Any = "", text: Any = "", *args: Any, **kwargs: Any) -> Any:
        return super().text(plain(title), plain(text), *args, **kwargs)

    def divider(self, text: str = "", char: str = "=", *args: Any, **kwargs: Any) -> Any:
        """Print the title of a part of the output; wasabi's own is bold wherever it is printed."""
        if self.show_color:
            return super().divider(plain(text), char, *args, **kwargs)
        line = f" {plain(text)} ".center(self.line_max - 4, char)
        print(f"\n{line}\n")
        return None

    def table(self, data: Any, **kwargs: Any) -> Any:
        rows = data.items() if isinstance(data, dict) else data
        header = kwargs.get("header")
        if header is not None:
            kwargs["header"] = [plain(cell) for cell in header]
        return super().table([_plain_row(row) for row in rows], **kwargs)


def _plain_row(row: Collection[Any]) -> Collection[Any]:
    return tuple(plain(cell) for cell in row)


msg = PlainPrinter()
