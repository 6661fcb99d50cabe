"""`airswasm init`: start a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def init(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="`hello`, or `namespace/hello`.")
    ] = None,
    lang: Annotated[
        str, typer.Option("--lang", "-l", help="python, c, rust, go, js or ts.")
    ] = "python",
    template: Annotated[
        str,
        typer.Option("--template", "-t", help="counter, listener or job, or a folder of yours."),
    ] = "counter",
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="FOLDER", help="The project's folder; by default ./NAME."),
    ] = None,
    templates: Annotated[
        bool, typer.Option("--templates", help="List the templates instead.")
    ] = False,
) -> None:
    """Start a new component project.

    Needs no network. The project builds without changes; its README describes
    each file.

    \b
    Example:
      airswasm init hello --lang python
      airswasm init shop/orders --lang rust --folder orders
      airswasm init hello --template ../our-template
    """
    from airswasm.sdk import init_project
    from airswasm.sdk import templates as all_templates

    terminal = session.terminal
    if templates or name is None:
        if not templates:
            raise typer.BadParameter("pass a name for the project: airswasm init NAME")
        rows = [(each.language, each.name, each.summary) for each in all_templates()]
        if terminal.as_json:
            listed = [dict(zip(("language", "name", "summary"), row, strict=True)) for row in rows]
            terminal.document("templates/1", {"templates": listed})
        else:
            terminal.table(("language", "template", "what it does"), rows)
        return
    target = folder or Path(name.rpartition("/")[2])
    project = init_project(target, name, lang, template)
    if terminal.as_json:
        terminal.document(
            "init/1",
            {
                "name": project.name,
                "folder": str(project.folder),
                "language": project.language,
                "template": project.template,
                "files": list(project.files),
            },
        )
        return
    terminal.done(
        f"{project.name}: a {project.language} project in {target}/, {len(project.files)} files"
    )
    terminal.say(f"next: cd {target} && airswasm build")
