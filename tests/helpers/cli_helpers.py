"""Running a verb in this process, and the one line that a user error is."""

from typer.testing import CliRunner

from spacy_llmjudge.cli import app


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def error_line(result):
    """The one line of an error."""
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if "[J" in line]
    assert len(lines) == 1 and "Traceback" not in result.output
    return lines[0]
