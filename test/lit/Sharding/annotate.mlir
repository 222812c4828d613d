// RUN: ft-opt %s --dist-annotate="strategy=DDP dp=2" | FileCheck %s --check-prefixes=CHECK,DDP
// RUN: ft-opt %s --dist-annotate="strategy=FSDP dp=2" | FileCheck %s --check-prefixes=CHECK,FSDP

// CHECK: dist.mesh @mesh axes ["dp"] sizes [2]

// Tokens are split; the host's tables are each rank's own; scalars are the same on all ranks.
// CHECK: @tokens : tensor<16xi32> {dist.sharding = #dist.sharding<@mesh, {{\[\[}}"dp"]]>
ft.variable input @tokens : tensor<16xi32> {io = "TOKENS"}
// CHECK: @sorted_positions {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"] own 8]>
ft.variable input @sorted_positions : tensor<16xi32> {io = "SORTED_POSITIONS"}
// Six documents of all ranks are three of one, with four offsets.
// CHECK: @document_offsets {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"] own 4]>
ft.variable input @document_offsets : tensor<7xi32> {io = "DOCUMENT_OFFSETS"}
// CHECK: @document_lens {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"] own 3]>
ft.variable input @document_lens : tensor<6xi32> {io = "DOCUMENT_LENS"}
// Eight tokens have at most eight different ids.
// CHECK: @segment_ids {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"] own 8]>
ft.variable input @segment_ids : tensor<12xi32> {io = "SEGMENT_IDS"}
// CHECK: @segment_starts {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"] own 9]>
ft.variable input @segment_starts : tensor<13xi32> {io = "SEGMENT_STARTS"}
// Six targets of all ranks are three of one; the rows of its tokens are its own, and so are their places there.
// CHECK: @target_rows {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"] own 3]>
ft.variable input @target_rows : tensor<6xi32> {io = "TARGET_ROWS"}
// CHECK: @target_labels {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"]]>
ft.variable input @target_labels : tensor<6xi32> {io = "TARGET_LABELS"}
// CHECK: @target_slots {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"] own 8]>
ft.variable input @target_slots : tensor<16xi32> {io = "TARGET_SLOTS"}
// CHECK: @scalars {{.*}}#dist.sharding<@mesh, {{\[\[}}]]>
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}

// DDP: @w {{.*}}#dist.sharding<@mesh, {{\[\[}}], []]>
// FSDP: @w {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"], []]>
ft.variable trainable @w : tensor<12x8xf32> {key = "w"}
// DDP: @w.working_copy {{.*}}#dist.sharding<@mesh, {{\[\[}}], []]>
// FSDP: @w.working_copy {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"], []]>
ft.variable working_copy @w.working_copy : tensor<12x8xbf16> {of = @w}
// Over several micro-batches replicas keep a gradient partial.
// DDP: @w.gradient {{.*}}#dist.sharding<@mesh, {{\[\[}}], []], partial sum ["dp"]>
// FSDP: @w.gradient {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"], []]>
ft.variable gradient @w.gradient : tensor<12x8xf32> {key = "w", of = @w}
// DDP: @w.exp_avg {{.*}}#dist.sharding<@mesh, {{\[\[}}], []]>
// FSDP: @w.exp_avg {{.*}}#dist.sharding<@mesh, {{\[\[}}"dp"], []]>
ft.variable exp_avg @w.exp_avg : tensor<12x8xf32> {key = "w", of = @w}

// FSDP asks for whole weights where they are used, but not where they are updated.
// CHECK-LABEL: func.func @accumulate_next
func.func @accumulate_next() {
  // CHECK: %[[W:.*]] = ft.read @w.working_copy
  // FSDP: %[[WHOLE:.*]] = dist.constraint %[[W]] <@mesh, {{\[\[}}], []]> : tensor<12x8xbf16>
  // FSDP: ft.cast %[[WHOLE]]
  // DDP-NOT: dist.constraint
  %w = ft.read @w.working_copy : tensor<12x8xbf16>
  %g = ft.cast %w : tensor<12x8xbf16> to tensor<12x8xf32>
  ft.write @w.gradient, %g : tensor<12x8xf32>
  return
}

// CHECK-LABEL: func.func @initialize
// CHECK-NOT: dist.constraint
func.func @initialize() {
  %w = ft.read @w : tensor<12x8xf32>
  %copy = ft.cast %w : tensor<12x8xf32> to tensor<12x8xbf16>
  ft.write @w.working_copy, %copy : tensor<12x8xbf16>
  return
}
