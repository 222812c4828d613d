#!/usr/bin/env python3
"""The held-out loss of an adapter that ftrun wrote, loaded by PEFT on the dequantised weights, beside the run's own.

    peft_eval.py MODEL.gguf RUN_FOLDER EVAL.tokens      exit 1 where they differ by more than 1e-4
"""
import json
import pathlib
import sys

import torch
from peft import PeftModel

import reference


def main():
    gguf, run, tokens = sys.argv[1:]
    torch.set_num_threads(2)
    model = PeftModel.from_pretrained(reference.base_model(gguf), run).eval()
    loss = reference.evaluate(model, reference.TokenFile(tokens))
    own = json.loads((pathlib.Path(run) / "summary.json").read_text())["eval_after"]
    own = own["eval_loss"] if isinstance(own, dict) else own
    print(f"PEFT {loss:.7f}, ftrun {own:.7f}, difference {abs(loss - own):.1e}")
    sys.exit(abs(loss - own) > 1e-4)


if __name__ == "__main__":
    main()
