#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: make_seeds.py DIRECTORY. They come from the tests' own data."""
import json
import struct
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
HEADER_BYTES = 4096  # of a model: the metadata and the first tensors


def gguf_seeds():
    """Headers of small models, and files of a few keys."""
    for path in sorted((DATA / "golden").glob("*.gguf")):
        yield path.read_bytes()[:HEADER_BYTES]
    text = struct.pack("<Q", 1) + b"k" + struct.pack("<IQ", 8, 1) + b"v"
    array = struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 2)
    nested = struct.pack("<Q", 1) + b"n" + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 0, 1) + b"x"
    tensor = struct.pack("<Q", 1) + b"t" + struct.pack("<IQIQ", 1, 4, 0, 0)
    pairs = text + array + nested
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 3) + pairs + tensor
    yield header + bytes(-len(header) % 32) + bytes(16)


def template_seeds():
    """The templates of the tests, alone and with a conversation."""
    variables = json.loads((DATA / "templates" / "variables.json").read_text())
    for line in (DATA / "templates" / "cases.jsonl").read_text().split("\n"):
        if line:
            yield json.loads(line)["template"].encode()
    yield b"{{ s | tojson }}{{ d.items() | list }}\0" + json.dumps(variables).encode()


def tokenizer_seeds():
    """A vocabulary of each kind, with the words of several pre-tokenizers."""
    byte_level = [chr(b) if 0x20 < b < 0x7F else None for b in range(256)]
    n_other = 0
    for b in range(256):
        if byte_level[b] is None:
            byte_level[b] = chr(0x100 + n_other)
            n_other += 1
    text = "Hello, world's 123 <s><u>\n\n  \u4e2d\u6587 e\u0301 \x00"
    tokens = [f"10{c}" for c in byte_level] + ["10ab", "10abc", "30<s>", "40<u>"]
    for pre in ("default", "gpt-2", "llama-bpe", "qwen2", "gpt-4o", "deepseek-llm", "deepseek-v3", "tekken", "viking"):
        yield "\n".join([f"gpt2 {pre}", *tokens, "", "a b", "ab c", "", text]).encode()
    pieces = ["20<unk>", "30<s>", "40<u>", "11\u2581", "12a", "13\u2581a", "14\u4e2d"]
    tokens = [f"60<0x{b:02X}>" for b in range(256)]
    yield "\n".join(["llama", *tokens, *pieces, "", "", text]).encode()


def main():
    for name, seeds in (("gguf", gguf_seeds()), ("template", template_seeds()), ("tokenizer", tokenizer_seeds())):
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number:03}").write_bytes(seed)


if __name__ == "__main__":
    main()
