// Copies of what ranks split, on four and eight ranks: each bucket's gradient is reduced to shares among the ranks that
// hold one copy, and its share once over the copies; weights are gathered within a copy alone. Nothing else is exchanged
// but the loss of all ranks and the norm of a copy's shares.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=8 generate" --ftc-to-sharded="strategy=FSDP dp=4 shard=2" > %t.2x2
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=8 generate" --ftc-to-sharded="strategy=FSDP dp=8 shard=2" > %t.4x2
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=8 generate" --ftc-to-sharded="strategy=FSDP dp=8 shard=4" > %t.2x4
// RUN: FileCheck %s --check-prefixes=SCATTER,TWO < %t.2x2 && FileCheck %s --check-prefix=COPIES < %t.2x2 && FileCheck %s --check-prefix=GATHER < %t.2x2
// RUN: FileCheck %s --check-prefixes=SCATTER,FOUR < %t.4x2 && FileCheck %s --check-prefix=COPIES < %t.4x2 && FileCheck %s --check-prefix=GATHER < %t.4x2
// RUN: FileCheck %s --check-prefixes=SCATTER,WIDE < %t.2x4 && FileCheck %s --check-prefix=COPIES < %t.2x4 && FileCheck %s --check-prefix=GATHER < %t.2x4

module {}

// TWO: dist.mesh @mesh axes ["dp_replicate", "dp_shard"] sizes [2, 2]
// FOUR: dist.mesh @mesh axes ["dp_replicate", "dp_shard"] sizes [4, 2]
// WIDE: dist.mesh @mesh axes ["dp_replicate", "dp_shard"] sizes [2, 4]

// SCATTER-LABEL: func.func @accumulate_first
// SCATTER-COUNT-5: dist.start_reduce_scatter sum {{.*}} over ["dp_shard"]
// SCATTER-NOT: dist.start_reduce_scatter

// COPIES-LABEL: func.func @accumulate_first
// COPIES-COUNT-5: dist.start_all_reduce sum {{.*}} over ["dp_replicate"] on
// COPIES-NOT: dist.start_all_reduce {{.*}} over ["dp_replicate"] on
// COPIES-LABEL: func.func @update
// COPIES: dist.start_all_reduce norm2 {{.*}} over ["dp_shard"]
// COPIES-NOT: dist.start

// GATHER-LABEL: func.func @accumulate_first
// GATHER-COUNT-6: dist.start_all_gather {{.*}} over ["dp_shard"]
// GATHER-NOT: dist.start_all_gather
// GATHER-LABEL: func.func @evaluate
// GATHER-COUNT-5: dist.start_all_gather {{.*}} over ["dp_shard"]
// GATHER-NOT: dist.start_all_gather
// GATHER-LABEL: func.func @generate
