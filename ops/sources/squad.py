"""SQuAD files: questions about texts, with answers that are spans of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, ClassVar, Literal

import polars as pl
from pydantic import PositiveInt

from ops.errors import BadData
from ops.sources.base import BATCH_BYTES, BATCH_ROWS, Batch, Modality
from ops.sources.containers import InputFile
from ops.sources.files import FileSource
from ops.sources.rejects import Reject, reject_frame
from ops.sources.streamed_json import Capped, TooLarge, entries

ANSWER = pl.Struct({"text": pl.String(), "start": pl.Int64()})
"""An answer, and where it begins in the context, in characters (Unicode code points)."""


class Squad(FileSource):
    """SQuAD JSON, versions 1.1 and 2.0 (Rajpurkar et al., 2016, 2018): one row for each question.

    A question that cannot be answered has no answers. `question_id` is the file's `id`, `title` that of the article;
    `line` is the number of the question in the file, from 1. Whether answers stand where they say is not looked at
    here. Of a file one article is in memory at a time.
    """

    modality: ClassVar[Modality] = "text"

    kind: Literal["squad"] = "squad"
    """SQuAD JSON."""
    max_file_bytes: PositiveInt = 4 << 30
    """Largest file."""

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Question, context and answers, with the names that the file has for question and article."""
        text = pl.String()
        return {"question": text, "context": text, "answers": pl.List(ANSWER), "question_id": text, "title": text}

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the questions of one file.

        Raises:
            BadData: the file is no JSON of this form at all.
        """
        with file.open() as stream:
            yield from self._batches(file.name, self._articles(file.name, stream))

    def _articles(self, name: str, stream: BinaryIO) -> Iterator[Any]:
        listed = False
        try:
            for entry in entries(Capped(stream, self.max_file_bytes), ("data",)):
                listed |= entry.kind == "list"
                if entry.kind == "item":
                    yield entry.value
        except ValueError as error:
            raise BadData(f"cannot be read as JSON: {error}", where=name) from error
        except TooLarge:
            said = f"has more than {self.max_file_bytes:,} bytes"
            raise BadData(said, where=name, hint="raise max_file_bytes") from None
        if not listed:
            raise BadData("is no SQuAD file: it has no list `data`", where=name)

    def _batches(self, name: str, articles: Iterable[Any]) -> Iterator[Batch]:
        schema = {**self.columns, "file": pl.String(), "line": pl.Int64()}
        rows: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        size, none, seen = 0, True, set[str]()
        for line, (question, parents) in enumerate(_questions(articles), 1):
            fault = parents.get("fault") or _fault(question, parents["context"], seen)
            if fault is None:
                seen.add(question["id"])
                rows.append(_row(question, parents) | {"file": name, "line": line})
                size += len(parents["context"]) + len(question["question"])
            else:
                excerpt = str(question)[:256].encode("utf-8", "backslashreplace")
                rejects.append(Reject(name, line, None, fault[0], fault[1], excerpt))
            if size >= BATCH_BYTES or len(rows) + len(rejects) >= BATCH_ROWS:
                yield Batch(pl.DataFrame(rows, schema=schema, orient="row"), reject_frame(rejects))
                rows, rejects, size, none = [], [], 0, False
        if rows or rejects or none:
            yield Batch(pl.DataFrame(rows, schema=schema, orient="row"), reject_frame(rejects))


def _questions(articles: Iterable[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The questions with what they share; an article or paragraph that cannot be read stands for its questions."""
    for article in articles:
        title = article.get("title", "") if isinstance(article, dict) else None
        paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
        if not isinstance(paragraphs, list) or not isinstance(title, str):
            yield article, {"fault": ("bad_article", "it has no list `paragraphs`, or a title that is no text")}
            continue
        for paragraph in paragraphs:
            context = paragraph.get("context") if isinstance(paragraph, dict) else None
            questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
            if not isinstance(context, str) or not isinstance(questions, list):
                yield paragraph, {"fault": ("bad_paragraph", "it has no text `context` or no list `qas`")}
                continue
            yield from ((question, {"context": context, "title": title}) for question in questions)


def _fault(question: Any, context: str, seen: set[str]) -> tuple[str, str] | None:
    if not isinstance(question, dict):
        return "bad_question", "it is no object"
    for key in ("question", "id"):
        if not isinstance(question.get(key), str):
            return "bad_question", f"it has no text `{key}`"
    if question["id"] in seen:
        return "duplicate_id", f"question {question['id'][:100]!r} was there before"
    answers = question.get("answers")
    if not isinstance(answers, list) and not question.get("is_impossible"):
        return "bad_question", "it has no list `answers`"
    for answer in answers or []:
        start = answer.get("answer_start") if isinstance(answer, dict) else None
        if not isinstance(start, int) or isinstance(start, bool) or not isinstance(answer.get("text"), str):
            return "bad_answer", f"no `text` with `answer_start`: {str(answer)[:100]}"
        if not 0 <= start < 2**62:
            return "bad_answer", f"answer_start is {start}"
    texts = [context, question["question"], question["id"], *(answer["text"] for answer in answers or [])]
    if not all(text.isascii() or _is_whole(text) for text in texts):
        return "lone_surrogate", "half of a character"
    return None


def _is_whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _row(question: dict[str, Any], parents: dict[str, Any]) -> dict[str, Any]:
    impossible = bool(question.get("is_impossible"))
    answers = [] if impossible else question["answers"]
    return {
        "question": question["question"],
        "context": parents["context"],
        "answers": [{"text": answer["text"], "start": answer["answer_start"]} for answer in answers],
        "question_id": question["id"],
        "title": parents["title"],
    }
