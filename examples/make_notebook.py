"""Make the notebook of a script: `python examples/make_notebook.py`, in a folder of its own.

A line "# %%" begins a cell of code, "# %% [markdown]" one of text, whose lines are comments. The
notebook is run, and what its cells print and show is kept in it. Needs nbclient and ipykernel, and
for LeNet's matplotlib. Raises nbclient's CellExecutionError where a cell fails.
"""

import argparse
import re
from pathlib import Path

SCRIPT = Path(__file__).with_name("lenet_in_a_nutshell.py")
MARK = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def cells_of(script):
    """("markdown" or "code", text) of each cell of a script's text."""
    head, *parts = MARK.split(script)
    if head.strip():
        raise ValueError(f"a script must begin with a cell, got {head!r}")
    for is_text, part in zip(parts[::2], parts[1::2], strict=True):
        if is_text:
            lines = [line.removeprefix("#").removeprefix(" ") for line in part.splitlines()]
            yield "markdown", "\n".join(lines).strip()
        else:
            yield "code", part.strip()


def notebook_of(script):
    """The notebook of a script's text, not yet run."""
    from nbformat import v4

    made = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    cells = [
        made[kind](text, id=f"cell-{number}")
        for number, (kind, text) in enumerate(cells_of(script))
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def run(notebook, folder):
    """Run it in a folder."""
    from nbclient import NotebookClient

    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.execute()
    tidy(notebook)
    return notebook


def tidy(notebook):
    """Keep what was printed in one piece, and of lines drawn again in place the last state."""
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        outputs = []
        for output in cell.get("outputs", ()):
            if outputs and output.output_type == "stream" == outputs[-1].output_type:
                outputs[-1].text += output.text
            else:
                outputs.append(output)
        for output in outputs:
            if output.output_type == "stream":
                lines = output.text.split("\n")
                output.text = "\n".join(line.rpartition("\r")[2].rstrip() for line in lines)
        if "outputs" in cell:
            cell.outputs = outputs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--script", type=Path, default=SCRIPT)
    parser.add_argument(
        "--out", type=Path, help="default: the script's name with .ipynb, beside it"
    )
    options = parser.parse_args()

    import nbformat

    notebook = run(notebook_of(options.script.read_text(encoding="utf-8")), Path.cwd())
    out = options.out or options.script.with_suffix(".ipynb")
    out.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    print(f"Written: {out}")


if __name__ == "__main__":
    main()
