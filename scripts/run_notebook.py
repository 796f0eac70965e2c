"""Run docs/tutorial.ipynb and keep what its cells print; needs the extra [docs].

python scripts/run_notebook.py
"""

import argparse
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


def run(path: Path = NOTEBOOK, timeout: int = 1800) -> Any:
    """Run a notebook in its folder.

    path (Path): The notebook.
    timeout (int): Seconds that a cell may take.
    RETURNS (NotebookNode): The same with new outputs: what is printed, and neither warnings nor times.
    """
    import nbformat
    from nbclient import NotebookClient

    # the kernel is that of ipykernel, in this environment
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=where).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
            cell.outputs = nbformat.from_dict(outputs)
    return notebook


def main() -> None:
    import nbformat

    argparse.ArgumentParser(description=__doc__).parse_args()
    nbformat.write(run(), NOTEBOOK)
    print(NOTEBOOK)


if __name__ == "__main__":
    main()
