// Planning has no steps for collectives yet, and says which it met.
// RUN: not ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="dp=2" 2>&1 | FileCheck %s --check-prefix=DDP
// RUN: not ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="dp=2 strategy=FSDP" 2>&1 | FileCheck %s --check-prefix=FSDP

module {}

// DDP: error: 'dist.start_all_reduce' op has no lowering to steps: the mesh has 2 ranks, and Planning writes plans of one rank
// FSDP: error: 'dist.start_all_gather' op has no lowering to steps: the mesh has 2 ranks
