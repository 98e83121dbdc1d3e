"""datatrove's tokeniser over a file of texts: run by the interpreter that has datatrove.

`python datatrove_tokens.py TEXTS.jsonl TOKENIZER.json FOLDER`: reads one JSON string a line, writes tokens below the
folder, and prints the CPU-seconds from documents in memory to the written file.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Tokenise, unshuffled, without a token behind each document."""
    from datatrove.data import Document
    from datatrove.pipeline.tokens import DocumentTokenizer

    texts, tokenizer, folder = sys.argv[1:]
    with Path(texts).open(encoding="utf-8") as file:
        documents = [Document(text=json.loads(line), id=str(number)) for number, line in enumerate(file)]
    step = DocumentTokenizer(
        output_folder=folder, tokenizer_name_or_path=tokenizer, eos_token=None, shuffle_documents=False
    )
    len(step.tokenizer.get_vocab())  # loaded beforehand, as on the other sides
    started = time.process_time()
    step.run(iter(documents), 0, 1)
    print(time.process_time() - started)


if __name__ == "__main__":
    main()
