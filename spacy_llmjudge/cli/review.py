"""`review`: a page on which people answer, for a certificate, an audit, or more gold."""

from pathlib import Path
from typing import Optional

from ..errors import Errors, LLMJudgeError
from .arguments import MAX_SEED, Arg, Opt
from .printer import msg
from .progress import spinner
from .user_errors import user_errors


@user_errors
def review_cli(
    # fmt: off
    round_folder: Path = Arg(
        ..., help="Folder of a round that was filtered, such as corpus/round-1"
    ),
    task: str = Opt(
        "certify",
        "--task",
        "-t",
        help="certify: are random accepted spans right; audit: the file that `audit` drew; disagreements: where student and judge differ most; gold: correct whole documents",
    ),
    n: Optional[int] = Opt(
        None,
        "--n",
        "-n",
        help="How many answers are planned; by default 150 spans, 100 disagreements or 50 documents",
        min=1,
    ),
    share: float = Opt(
        0.1, "--share", help="Share of wrong spans that is wanted", min=0.0, max=1.0
    ),
    pac: bool = Opt(
        False,
        "--pac",
        help="certify: after the random spans, answer the least sure ones until at most --share of all are wrong",
    ),
    people: int = Opt(1, "--people", help="So many people answer each item", min=1),
    audit: Optional[Path] = Opt(
        None, "--audit", help="File that `audit` drew; else audit.jsonl in the folder"
    ),
    metrics: Optional[Path] = Opt(
        None,
        "--metrics",
        help="Folder of metrics of the round, for the certificate; else that beside the corpus",
    ),
    seed: int = Opt(0, "--seed", min=0, max=MAX_SEED, help="Seed of the draw"),
    port: int = Opt(8765, "--port", help="Port on this machine; 0: any", min=0, max=65535),
    # fmt: on
) -> None:
    """Open a page on this machine on which people answer with single keys.

    Every answer is on the disk before it is confirmed, and the same command goes on where it was left. From another
    machine: ssh -L 8765:localhost:8765 and the same address.
    """
    from ..locks import alone
    from ..steps.review import ReviewInputs, open_session

    try:
        from ..review.server import bind, make_server
    except ModuleNotFoundError as error:
        raise LLMJudgeError(Errors.J937.format(error=error)) from error

    round_folder = round_folder.absolute()
    inputs = ReviewInputs(
        round_folder=round_folder,
        task=task,
        metrics=metrics or round_folder.parent.parent / "metrics" / round_folder.name,
        audit=audit,
        n=n,
        seed=seed,
        share=share,
        pac=pac,
        people=people,
    )
    with alone(inputs.folder / task):
        with spinner("Reading..."):
            session = open_session(inputs)

        with bind(port) as place:
            server, address = make_server(session, place)
            msg.good(f"Open {address}")
            places = {"certify": inputs.metrics, "audit": inputs.audit_file}
            msg.info(
                f"What answers come to is in {places.get(task, inputs.folder)}; stop with Ctrl-C"
            )
            server.run(sockets=[place])


def register(app) -> None:
    app.command("review")(review_cli)
