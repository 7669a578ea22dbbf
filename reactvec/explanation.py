"""A schedule in words and drawings."""

from __future__ import annotations

from collections.abc import Iterator

from reactvec.schedule import Op, Schedule, ScheduledReaction
from reactvec.topology import Timing


def explain(schedule: Schedule, command: str | None = None) -> str:
    """What each worker does in a tag of one command, or of all that do something."""
    workers = "1 worker (the caller)" if schedule.workers == 1 else f"{schedule.workers} workers (0 is the caller)"
    lines = [
        f"{len(schedule.reactions)} reactions, {len(schedule.slabs)} slabs "
        f"in an arena of {schedule.arena_bytes:,} bytes, {workers}"
    ]
    names = [command] if command else [name for name in schedule.programs if _members(schedule, name)]
    for name in names:
        lines += ["", f"{name}, an aside (takes no tag):" if name in schedule.asides else f"{name}:"]
        for worker in range(schedule.workers):
            lines += [f"  worker {worker}", *(f"    {line}" for line in _program(schedule, name, worker))]
        fused = list(_fused(schedule, name))
        if fused:
            lines += ["  fused (rows stay on their worker, no sync between):", *(f"    {chain}" for chain in fused)]
    return "\n".join(lines)


def _members(schedule: Schedule, command: str) -> list[ScheduledReaction]:
    return [reaction for reaction in schedule.reactions if reaction.on == command]


def _program(schedule: Schedule, command: str, worker: int) -> Iterator[str]:
    for op, operands in schedule.instructions(command, worker):
        if op is Op.EXEC:
            yield _exec(schedule.reactions[operands[0]], operands[1], operands[2])
        elif op is Op.PUBLISH:
            yield f"PUBLISH {operands[0]}"
        elif op is Op.AWAIT:
            ago = {0: "", 1: " of the tag before"}.get(operands[2], f" of {operands[2]} tags before")
            yield f"AWAIT   worker {operands[0]} to pass {operands[1]}{ago}"
        elif op is Op.ADVANCE:
            yield "ADVANCE"


def _exec(reaction: ScheduledReaction, lo: int, hi: int) -> str:
    rows = "" if reaction.bank is None else f"[{lo}:{hi}]"
    when = "" if reaction.timing == Timing() else f"  {_timing(reaction.timing)}"
    guard = "  if a trigger is present" if reaction.guards else ""
    return f"EXEC    {reaction}{rows}  {'native' if reaction.native else 'python'}{when}{guard}"


def _timing(timing: Timing) -> str:
    return f"every {timing.period} tags" + (f" from {timing.offset}" if timing.offset else "")


def _flows(schedule: Schedule, command: str) -> Iterator[tuple[ScheduledReaction, ScheduledReaction, str, int]]:
    """(writer, reader, slab, delay), each once, in order."""
    writers = {
        access.slab: reaction
        for reaction in _members(schedule, command)
        for access in reaction.accesses
        if access.role == "effect"
    }
    for reader in _members(schedule, command):
        reads = [(access.slab, access.delay) for access in reader.accesses if access.role != "effect"]
        for slab, delay in dict.fromkeys(reads):
            if slab in writers:
                yield writers[slab], reader, schedule.slabs[slab].name, delay


def _fused(schedule: Schedule, command: str) -> Iterator[str]:
    """Chains of reactions of equal banks in one tag: what partitioning alone has made free of sync."""
    follows: dict[str, str] = {}
    for writer, reader, _, delay in _flows(schedule, command):
        if delay == 0 and writer.bank is not None and writer.bank == reader.bank and writer is not reader:
            follows.setdefault(str(writer), str(reader))
    heads = [name for name in follows if name not in follows.values()]
    for name in heads:
        chain = [name]
        while chain[-1] in follows:
            chain.append(follows[chain[-1]])
        yield " -> ".join(chain)


def to_mermaid(schedule: Schedule, command: str) -> str:
    """A Mermaid flowchart: one box per reaction, dotted arrows carry delayed values."""
    names = {str(reaction): f"r{index}" for index, reaction in enumerate(_members(schedule, command))}
    lines = ["flowchart LR"]
    for reaction in _members(schedule, command):
        lines.append(f'    {names[str(reaction)]}["{_label(reaction)}"]')
    for writer, reader, slab, delay in _flows(schedule, command):
        arrow = f"-. {_port(slab)}, delay {delay} .->" if delay else f"-- {_port(slab)} -->"
        lines.append(f"    {names[str(writer)]} {arrow} {names[str(reader)]}")
    return "\n".join(lines)


def to_dot(schedule: Schedule, command: str) -> str:
    """The same for Graphviz."""
    lines = [f'digraph "{command}" {{', "    rankdir=LR;", "    node [shape=box];"]
    for reaction in _members(schedule, command):
        lines.append(f'    "{reaction}" [label="{_label(reaction)}"];')
    for writer, reader, slab, delay in _flows(schedule, command):
        style = f' style=dashed label="{_port(slab)}, delay {delay}"' if delay else f' label="{_port(slab)}"'
        lines.append(f'    "{writer}" -> "{reader}" [{style.strip()}];')
    return "\n".join([*lines, "}"])


def _label(reaction: ScheduledReaction) -> str:
    bank = "" if reaction.bank is None else f" x{reaction.bank}"
    when = "" if reaction.timing == Timing() else f", {_timing(reaction.timing)}"
    return f"{reaction}{bank}{when}"


def _port(slab: str) -> str:
    return slab.rpartition(".")[2]
