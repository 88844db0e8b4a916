"""What does a workload file ask? Read with its logs, checked, turned into records."""

from pathlib import Path

from batchline.workload.records import Workload


def read_workload(path: Path) -> Workload:
    """Read a workload file; paths in it are relative to its folder.

    Raises:
        InputError: the file or a log it refers to cannot be read or is wrong; one line with file,
            line, key, the value found and what was expected.
    """
    from batchline.documents import parse_yaml, read_text
    from batchline.workload.files.workload import workload_of

    return workload_of(parse_yaml(read_text(path), str(path)), path.parent)
