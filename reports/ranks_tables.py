"""What ftc says of a plan, what ftrun says of its steps, and the tables of ranks.py."""
import pathlib
import re

EXCHANGE = r"^  (\w+) +(\d+) × +(\d+) bytes +([\d.]+) ms +([\d.]+) ms exposed +([\d.]+) ms taken"
# Shares of one GPU and tokens/s of each that are asked for, and aimed at.
MUST = {
    "lora_1b.DDP": (98, 99.5), "lora_7b.DDP": (98, 99.5), "lora_7b.FSDP": (95, 98), "lora_13b.FSDP": (95, 98),
    "full_1b.DDP": (97, 99), "full_1b.DDP.bf16": (97, 99), "full_1b.ZERO1": (97, 99), "full_3b.ZERO2": (96, 98),
    "full_3b.FSDP": (96, 98), "full_7b.ZERO2": (12600, 13400), "full_7b.FSDP": (12600, 13400),
    "full_7b_bf16.ZERO2": (13900, 14200), "full_13b.FSDP": (6600, 7300),
}


def compiled(file):
    """Predicted step and memory, and bytes, ms, exposed and taken by kind of collective, from what `ftc compile` printed."""
    text = pathlib.Path(file).read_text()
    kinds = {kind: dict(number=int(number), bytes=int(size), ms=float(ms), exposed=float(exposed), taken=float(taken))
             for kind, number, size, ms, exposed, taken in re.findall(EXCHANGE, text, re.M)}
    return dict(predicted_ms=float(re.search(r"predicted step ([\d.]+) ms", text).group(1)),
                needs=int(re.search(r"^  needs +(\d+)", text, re.M).group(1)), exchange=kinds)


def profiled(logs, steps):
    """Milliseconds of a step by kind of collective that each rank's device waits; of the first rank, before which steps.
    What all ranks wait is the exchange, what one waits more it waits for the others."""
    found = {}
    for number, log in enumerate(logs):
        for kind, calls, ms in re.findall(r"^exposed/(\w+) +(\d+) +([\d.]+) ", log, re.M):
            of = found.setdefault(kind, dict(waits=int(calls) / steps, exposed=[0.0] * len(logs)))
            of["exposed"][number] = float(ms) / steps
    before = [(float(ms) / steps, f"{kind} before {step}") for kind, step, ms in
              re.findall(r"^exposed/(\w+) before (\S+) +\d+ +([\d.]+) ", logs[0], re.M)]
    return dict(exposed=found, before=sorted(before, reverse=True)[:6])


def share(found, name):
    twin = found.get(f"{name.split('.')[0]}.one", {}).get("step_ms")
    return 100 * max(twin) / found[name]["step_ms"][0] if twin and not name.endswith(".one") else None


def speed_table(found, tokens):
    rows = ["", "| workload | predicted ms | step ms | tokens/s each | of one GPU | must, aim | GB planned | GB shown |",
            "|---|---|---|---|---|---|---|---|"]
    for name, of in found.items():
        if name.endswith("+profile"):
            continue
        if "failed" in of:
            rows.append(f"| {name} | {of['predicted_ms']:.1f} | {of['failed'][:120]} | | | | | |")
            continue
        part, must = share(found, name), MUST.get(name)
        asked = "" if not must else f"{must[0]}, {must[1]} %" if must[0] < 100 else f"{must[0] / 1e3}k, {must[1] / 1e3}k"
        rows.append(f"| {name} | {of['predicted_ms']:.1f} | {', '.join(f'{ms:.1f}' for ms in of['step_ms'])} | "
                    f"{tokens / max(of['step_ms']):.2f}k | {f'{part:.1f} %' if part else ''} | {asked} | "
                    f"{of['needs'] / 1e9:.2f} | {of['memory'] / 1e9:.2f} |")
    return rows


def exposed_table(found):
    rows = ["", "| a step, ms | kind | lasts, predicted | exposed, predicted | taken, predicted | each rank's device waits, measured |",
            "|---|---|---|---|---|---|"]
    for name, of in found.items():
        for kind, predicted in of["exchange"].items() if "profile" in of else ():
            measured = of["profile"]["exposed"].get(kind, dict(exposed=[0.0]))
            rows.append(f"| {name.split('+')[0]} | {kind} | {predicted['ms']:.1f} | {predicted['exposed']:.1f} | "
                        f"{predicted['taken']:.1f} | {', '.join(f'{ms:.2f}' for ms in measured['exposed'])} |")
        if "profile" in of:
            rows += [f"| {name.split('+')[0]} | … {what} | | | | {ms:.2f} |" for ms, what in of["profile"]["before"]]
    return rows if len(rows) > 3 else []
