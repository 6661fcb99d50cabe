"""Generate completion scripts from the commands themselves.

A shell's script contains all verbs and options, so Tab starts no Python. It is as current as the
airswasm that printed it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ._app import command_of, walk_commands
from ._verbs import all_verbs

__all__ = ("completion_script", "verb_words")


def verb_words() -> Mapping[str, tuple[str, ...]]:
    """Return the words that may follow each verb: its subcommands and long options."""
    words: dict[str, tuple[str, ...]] = {}
    for verb in all_verbs().values():
        walked = tuple(walk_commands(verb.name, command_of(verb)))
        names = dict.fromkeys(path.rpartition(" ")[2] for path, _ in walked[1:])
        options = {option for _, each in walked for one in each.params for option in one.opts}
        words[verb.name] = (*names, *sorted(o for o in options if o.startswith("--")))
    return words


def completion_script(shell: str) -> str:
    """Return the script for `bash`, `zsh` or `fish`."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](verb_words())


def _bash(words: Mapping[str, tuple[str, ...]]) -> str:
    cases = "\n".join(f'    {verb}) words="{" ".join(found)}" ;;' for verb, found in words.items())
    return f"""# airswasm completion for bash
_airswasm() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{" ".join(words)} --help --version" -- "$current"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
    *) words="" ;;
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -W "${{words//--[a-z-]*/}}" -- "$current") $(compgen -f -- "$current"))
  fi
}}
complete -o filenames -F _airswasm airswasm"""


def _zsh(words: Mapping[str, tuple[str, ...]]) -> str:
    verbs = "\n".join(f"    '{verb.name}:{_quoted(verb.summary)}'" for verb in all_verbs().values())
    cases = "\n".join(
        f"    {verb}) following=({' '.join(found)}) ;;" for verb, found in words.items()
    )
    return f"""#compdef airswasm
# airswasm completion for zsh
_airswasm() {{
  local -a verbs following
  verbs=(
{verbs}
  )
  if (( CURRENT == 2 )); then
    _describe 'verb' verbs
    return
  fi
  case "$words[2]" in
{cases}
  esac
  compadd -- $following
  _files
}}
compdef _airswasm airswasm"""


def _fish(words: Mapping[str, tuple[str, ...]]) -> str:
    lines = ["# airswasm completion for fish"]
    for verb in all_verbs().values():
        lines.append(
            f"complete -c airswasm -n __fish_use_subcommand -f -a {verb.name} "
            f"-d '{_quoted(verb.summary)}'"
        )
    for verb_name, found in words.items():
        condition = f"'__fish_seen_subcommand_from {verb_name}'"
        for word in found:
            if word.startswith("--"):
                lines.append(f"complete -c airswasm -n {condition} -l {word[2:]}")
            else:
                lines.append(f"complete -c airswasm -n {condition} -a {word}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''")
