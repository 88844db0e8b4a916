"""YAML files from outside: parsed safely, checked against a schema, explained in one line."""

from batchline.documents.document import Document, Key, KeyPath, parse_yaml, read_text
from batchline.documents.schema import File, check

__all__ = ["Document", "File", "Key", "KeyPath", "check", "parse_yaml", "read_text"]
