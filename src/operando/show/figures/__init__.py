"""One function a figure. Each takes Datasets and returns an `Exhibit`: figure, caption, description and table."""
