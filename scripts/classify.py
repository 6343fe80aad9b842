"""Classify texts with an installed pipeline package. Needs spaCy and the package, no more.

venv/bin/python scripts/classify.py en_rnn_textcat "What a lovely film." "Never again."
"""

import sys

import spacy


def main() -> None:
    if len(sys.argv) < 3:
        print("Usage: python scripts/classify.py PACKAGE TEXT [TEXT ...]", file=sys.stderr)
        sys.exit(2)
    package, texts = sys.argv[1], sys.argv[2:]
    try:
        nlp = spacy.load(package)
    except OSError:
        print(f"The package '{package}' is not installed in this environment.", file=sys.stderr)
        sys.exit(1)
    print(f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}, {spacy.__file__}")
    for doc in nlp.pipe(texts):
        label = max(doc.cats, key=lambda cat: doc.cats[cat])
        print(f"{label:>10} {doc.cats[label]:.3f}  {doc.text}")


if __name__ == "__main__":
    main()
