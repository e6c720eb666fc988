"""`keras-lr compare`: what stands in a file is printed as text."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from keras_lr.command import app as cli

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", ["[/x]", "[red]loss[/red]", "\x1b[31mloss\x1b[0m", "loss\\"])
def test_names_of_columns_are_no_markup_and_no_commands_to_the_terminal(tmp_path, name):
    path = tmp_path / "[bold]log.csv"
    frame = pd.DataFrame(
        {"step": [0, 1], "epoch": [0, 0], "batch": [0, 1], "learning_rate": [0.1, 0.2], name: [1.0, 2.0]}
    )
    frame.to_csv(path, index=False)
    result = CliRunner().invoke(cli.app, ["compare", str(path), str(path)], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert name.replace("\x1b", "\\x1b") in result.output
    assert "[bold]log.csv" in result.output
