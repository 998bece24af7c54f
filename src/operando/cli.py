"""The commands: thin."""


def main() -> None: ...
