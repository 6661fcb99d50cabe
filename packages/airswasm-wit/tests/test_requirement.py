"""Permission annotations: their grammar, and where their errors are."""

import time

import pytest
from airswasm.wit import AnnotationError, Nothing, Requirement, parse_requirements
from airswasm.wit._requirement import find_provider
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("docs", "expected"),
    [
        ("Reads.\n\n@requires storage:read(key)", (Requirement("storage:read", "key"),)),
        ("@requires process:list", (Requirement("process:list"),)),
        ("@requires http:request(method, url)", (Requirement("http:request", "method", ("url",)),)),
        ("@requires   storage:read(key)  \nMore.", (Requirement("storage:read", "key"),)),
        (
            "Renames.\n@requires file-system:read(from)\n@requires file-system:write(to-path2)",
            (
                Requirement("file-system:read", "from"),
                Requirement("file-system:write", "to-path2"),
            ),
        ),
        ('@requires nothing "it is harmless"', Nothing("it is harmless")),
        (
            '@requires nothing\n    "a reason that\n    needs two lines"',
            Nothing("a reason that needs two lines"),
        ),
        ("No annotation; an address like me@requires is prose.", None),
        ("", None),
    ],
)
def test_annotations_are_read(docs: str, expected: object) -> None:
    """One line each, several for several, a reason for nothing."""
    assert parse_requirements(docs) == expected


@pytest.mark.parametrize(
    ("docs", "line", "column", "reason"),
    [
        ("@requires", 1, 10, "expected a capability"),
        ("Text.\n\n  @requires storage(key)", 3, 13, "expected a capability"),
        ("@requires storage:Read(key)", 1, 11, "expected a capability"),
        ("@requires storage:read:all(key)", 1, 11, "expected a capability"),
        ("@requires storage:read()", 1, 24, "expected the name of one parameter"),
        ("@requires storage:read(a b)", 1, 25, "expected `,` or `)`"),
        ("@requires storage:read(a,)", 1, 26, "expected the name of one parameter"),
        ("@requires storage:read(key", 1, 27, "expected `,` or `)`"),
        ("@requires storage:read(key) and more", 1, 28, "expected the end of the line"),
        ("@requires nothing", 1, 18, "expected the reason"),
        ("@requires nothing because", 1, 19, "expected the reason"),
        ('@requires nothing ""', 1, 19, "expected the reason"),
        ('@requires nothing "never closed', 1, 19, "expected the reason"),
        ('@requires nothing "why" not', 1, 24, "expected the end of the line"),
        ('@requires a:b(c)\n@requires nothing "x"', 2, 1, "stands alone"),
        ("@require storage:read(key)", 1, 1, "unknown annotation `@require`"),
        ("@Requires storage:read(key)", 1, 1, "unknown annotation `@Requires`"),
    ],
)
def test_errors_have_line_and_column(docs: str, line: int, column: int, reason: str) -> None:
    """A slip is an error with its place, never an annotation that is overlooked."""
    with pytest.raises(AnnotationError) as caught:
        parse_requirements(docs)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert reason in caught.value.reason
    assert caught.value.shown == docs.split("\n")[line - 1]


@pytest.mark.parametrize(
    ("docs", "provider"),
    [
        ("Wakes.\n\n@offered-by acme-alarm", "acme-alarm"),
        ("@offered-by acme.alarm_2  \nMore.", "acme.alarm_2"),
        ("It is @offered-by acme-alarm.", None),
        ("@offered-by", None),
        ("@offered-by two words", None),
        ("@offered-by -r/etc/passwd", None),
        ("", None),
    ],
)
def test_the_provider_is_a_line_of_its_own(docs: str, provider: str | None) -> None:
    """One distribution's name, which becomes a word of a command: nothing else is one."""
    assert find_provider(docs) == provider


words = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
uses = st.builds(
    lambda a, b, names: Requirement(f"{a}:{b}", *names[:1], further=tuple(names[1:])),
    words,
    words,
    st.lists(words, max_size=3),
)


@given(st.lists(uses, min_size=1, max_size=4))
def test_what_is_printed_reads_back(requirements: list[Requirement]) -> None:
    """`str` and the parser agree."""
    docs = "Prose.\n\n" + "\n".join(f"@requires {item}" for item in requirements)
    assert parse_requirements(docs) == tuple(requirements)


def failure(docs: str) -> AnnotationError | None:
    try:
        parse_requirements(docs)
    except AnnotationError as error:
        return error
    return None


@given(st.text(alphabet='@requires nothing:()"-\nabc', max_size=200))
def test_any_text_gives_an_answer_or_a_typed_error(docs: str) -> None:
    """Doc comments may come from untrusted authors."""
    error = failure(docs)
    if error is not None:
        assert 1 <= error.line <= docs.count("\n") + 1
        assert 1 <= error.column <= len(error.shown) + 1


def test_long_docs_take_linear_time() -> None:
    """A megabyte of almost-annotations; processor time, as the steps are those of `re`."""
    before = time.thread_time()
    with pytest.raises(AnnotationError):
        parse_requirements("@requires nothing " + " " * 500_000 + "x")
    assert parse_requirements("@ requires\n" * 50_000) is None
    with pytest.raises(AnnotationError):
        parse_requirements("@requires " + "a" * 500_000 + ":")
    assert time.thread_time() - before < 5
