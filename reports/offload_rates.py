#!/usr/bin/env python3
"""What PyTorch gets of this machine, each alone: its fused AdamW on the processors, their memory, and the link to the GPU.
About 20 seconds, 6 GiB of the GPU and 10 of the host."""
import os, statistics, time
import torch

def rate(what, amount, unit, f, n=5):
    f()
    times = []
    for _ in range(n):
        t = time.perf_counter(); f(); times.append(time.perf_counter() - t)
    print(f"{what:44} {amount / statistics.median(times) / 1e9:8.2f} {unit}", flush=True)

cores = len(os.sched_getaffinity(0))
torch.set_num_threads(cores)
print(f"torch {torch.__version__}, {torch.get_num_threads()} threads of {cores} processors")
size = 1 << 28
if torch.cuda.is_available():
    host = torch.empty(size, dtype=torch.float32, pin_memory=True); host.zero_()
    back = torch.empty(size, dtype=torch.float32, pin_memory=True); back.zero_()
    there = torch.zeros(size, dtype=torch.float32, device="cuda"); other = torch.zeros_like(there)
    streams = [torch.cuda.Stream(), torch.cuda.Stream()]
    def copy(up, down):
        if up:
            with torch.cuda.stream(streams[0]): host.copy_(there, non_blocking=True)
        if down:
            with torch.cuda.stream(streams[1]): other.copy_(back, non_blocking=True)
        torch.cuda.synchronize()
    rate("PCIe, device to host", 4 * size, "GB/s", lambda: copy(1, 0))
    rate("PCIe, host to device", 4 * size, "GB/s", lambda: copy(0, 1))
    rate("PCIe, both at once, each way", 4 * size, "GB/s", lambda: copy(1, 1))
    del host, back, there, other
a, b, c = (torch.ones(size) for _ in range(3))
rate("DRAM, copy (read + write)", 8 * size, "GB/s", lambda: a.copy_(b))
rate("DRAM, a = b + c (2 reads + write)", 12 * size, "GB/s", lambda: torch.add(b, c, out=a))
del a, b, c
params = [torch.randn(1 << 24) for _ in range(24)]
for p in params: p.grad = torch.randn_like(p)
opt = torch.optim.AdamW(params, lr=1e-4, fused=True)
rate("AdamW fused, f32 (28 bytes a parameter)", sum(p.numel() for p in params), "G parameters/s", opt.step)
