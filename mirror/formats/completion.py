"""Completion in a shell: where a command knows nothing to offer, file names, as shells do.

click offers them for an option of its own type of paths only, and most options that take a file
read it with a type of ours, or take a URL, a glob or `-` as well.
"""

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)


class _OrFiles(ShellComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(args, incomplete)
        return found or [CompletionItem(incomplete, type="file")]


class _Bash(_OrFiles, BashComplete):
    pass


class _Zsh(_OrFiles, ZshComplete):
    pass


class _Fish(_OrFiles, FishComplete):
    pass


def offer_files() -> None:
    """Let the completion scripts that this process prints or answers offer file names."""
    for shell in (_Bash, _Zsh, _Fish):
        add_completion_class(shell)
