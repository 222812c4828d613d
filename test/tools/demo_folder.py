#!/usr/bin/env python3
"""The demo's model as a folder of Hugging Face's, for tools/demo.sh --model FOLDER: demo_folder.py GGUF FOLDER

transformers reads the GGUF file and writes config.json, model.safetensors in bf16, the tokenizer and its chat template, so
that a folder which this project did not write is tried whole. Needs torch, transformers, accelerate and gguf.
"""
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    source, target = sys.argv[1:]
    folder, name = os.path.split(os.path.abspath(source))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16)
    # Its numbers are whole again; only then does transformers write them.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(target)


if __name__ == "__main__":
    main()
