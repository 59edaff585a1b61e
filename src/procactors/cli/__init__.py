"""The command line: `procactors`. Needs the extra `cli` (Typer and Rich)."""
