"""Do the differential tests notice when a rule of the scheduler changes? Break it and see.

Each mutant is one small change (a comparison, a sign, a constant, a condition that is always or
never true) of `scheduler.py`, `blocks.py`, `reference.py` or `kernel.py`. The mutant and the other,
unchanged implementation serve the same drawn runs; it is killed when any result differs, when it
fails or when it hangs. A survivor is a rule that no test holds, or a change that changes nothing.

    python tools/mutation_check.py [--num 200] [--seed 1] [--module kernel]
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import random
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tests.simulation.cases import COMPARED, Case, cases  # noqa: E402

from batchline import simulation  # noqa: E402
from batchline.simulation import kernel_run, reference  # noqa: E402

MODULES: Final = ("scheduler", "blocks", "reference", "kernel")
SECONDS: Final = 10
"""A mutant that takes more CPU time is stuck."""

SWAPPED: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


class Hangs(Exception):  # noqa: N818
    """The mutant ran out of time."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed module: where, and its old and new source."""

    module: str
    line: int
    old: str
    new: str
    tree: ast.Module


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every change of a module, one at a time."""
    source = (ROOT / "src/batchline/simulation" / f"{module}.py").read_text("utf-8")
    tree = ast.parse(source)
    for index, node in enumerate(ast.walk(tree)):
        for change in _changes(node):
            changed = copy.deepcopy(tree)
            target = next(n for i, n in enumerate(ast.walk(changed)) if i == index)
            old = ast.unparse(target)
            change(target)
            new = ast.unparse(target)
            yield Mutant(module, getattr(node, "lineno", 0), old, new, changed)


def unchanged(module: str) -> Mutant:
    """Return a module as it is: the check of the check."""
    source = (ROOT / "src/batchline/simulation" / f"{module}.py").read_text("utf-8")
    return Mutant(module, 0, "", "", ast.parse(source))


def _changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield _set("ops", [SWAPPED[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPPED:
        yield _set("op", SWAPPED[type(node.op)]())
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield _set("value", node.value + 1)
    if isinstance(node, ast.If):
        yield _set("test", ast.Constant(value=True))
        yield _set("test", ast.Constant(value=False))


def _set(name: str, value: object) -> Callable[[ast.AST], None]:
    def change(node: ast.AST) -> None:
        setattr(node, name, value)

    return change


def drawn(num: int) -> list[Case]:
    """Return the runs, the same every time."""
    found: list[Case] = []

    @settings(
        max_examples=num,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def draw(case: Case | None) -> None:
        if case is not None:
            found.append(case)

    draw()
    return found


def is_killed(mutant: Mutant, runs: list[Case], expected: list[tuple[Any, ...]]) -> bool:
    """Return whether any run shows that something was changed."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        simulate = _built(mutant)
        for case, right in zip(runs, expected, strict=True):
            if not _equal(_compared(simulate, case), right):
                return True
    except (Hangs, Exception):  # noqa: BLE001 - whatever a broken scheduler raises
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return False


Simulator = Callable[..., Any]


def _built(mutant: Mutant) -> Simulator:
    """Return the simulator with one of its modules replaced by the mutant."""
    name = f"batchline.simulation.{mutant.module}"
    module = ModuleType(name)
    module.__file__ = f"{mutant.module}.py"
    users = ["kernel_run"] if mutant.module == "kernel" else ["scheduler", "reference"]
    before = {user: sys.modules[f"batchline.simulation.{user}"] for user in {*users, mutant.module}}
    _install(mutant.module, module)
    try:
        code = compile(ast.fix_missing_locations(mutant.tree), mutant.module, "exec")
        exec(code, module.__dict__)
        for user in users:
            if user != mutant.module:
                _reload(user)
        if mutant.module == "reference":
            return module.simulate_literally  # type: ignore[no-any-return]
        last = sys.modules[f"batchline.simulation.{users[-1]}"]
        name = "simulate_in_kernel" if mutant.module == "kernel" else "simulate_literally"
        return getattr(last, name)  # type: ignore[no-any-return]
    finally:
        for user, old in before.items():
            _install(user, old)


def _install(name: str, module: ModuleType) -> None:
    """Let imports find a module, by its full name and as an attribute of the package."""
    sys.modules[f"batchline.simulation.{name}"] = module
    setattr(simulation, name, module)


def _reload(user: str) -> None:
    name = f"batchline.simulation.{user}"
    del sys.modules[name]
    importlib.import_module(name)


def _compared(simulate: Simulator, case: Case) -> tuple[Any, ...]:
    found = simulate(case.fleet, case.requests, case.route, case.sampling)
    return tuple(getattr(found, name) for name in COMPARED)


def _equal(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def main() -> int:
    """Try a sample of the mutants; return 1 where any survives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num", type=int, default=200, help="mutants that are tried")
    parser.add_argument("--runs", type=int, default=400, help="drawn runs that each serves")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", choices=MODULES)
    options = parser.parse_args()
    signal.signal(signal.SIGVTALRM, _hang)
    runs = drawn(options.runs)
    literal = [_compared(reference.simulate_literally, case) for case in runs]
    kernel = [_compared(kernel_run.simulate_in_kernel, case) for case in runs]
    modules = [options.module] if options.module else MODULES
    for module in modules:
        right = literal if module == "kernel" else kernel
        if is_killed(unchanged(module), runs, right):
            sys.stderr.write(f"{module}.py fails as it is: mend that first\n")
            return 2
    everything = [mutant for module in modules for mutant in mutants(module)]
    tried = random.Random(options.seed).sample(everything, min(options.num, len(everything)))
    survivors = []
    for mutant in tried:
        right = literal if mutant.module == "kernel" else kernel
        if not is_killed(mutant, runs, right):
            survivors.append(mutant)
            sys.stdout.write(f"{mutant.module}.py:{mutant.line}: {mutant.old} -> {mutant.new}\n")
    killed = len(tried) - len(survivors)
    sys.stdout.write(f"{killed} of {len(tried)} mutants killed ({len(everything)} possible)\n")
    return 1 if survivors else 0


def _hang(signum: int, frame: FrameType | None) -> None:
    raise Hangs


if __name__ == "__main__":
    sys.exit(main())
