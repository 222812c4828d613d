// RUN: ft-opt %s --ft-apply-precision=mode=FP64_TRUE | FileCheck %s --check-prefix=FP64
// RUN: ft-opt %s --ft-apply-precision=mode=FP32_TRUE | FileCheck %s --check-prefix=FP32
// RUN: ft-opt %s --ft-apply-precision="mode=FP32_TRUE copy-adapters" | FileCheck %s --check-prefix=COPIED
// RUN: ft-opt %s --ft-apply-precision=mode=BF16_TRUE | FileCheck %s --check-prefix=TRUE
// RUN: ft-opt %s --ft-apply-precision="mode=BF16_TRUE accumulates" | FileCheck %s --check-prefix=SUMMED
// RUN: ft-opt %s --ft-apply-precision=mode=BF16_MIXED | FileCheck %s --check-prefix=MIXED
// RUN: not ft-opt %s --ft-apply-precision=mode=FP16_TRUE 2>&1 | FileCheck %s --check-prefix=MODE
// RUN: not ft-opt %s --ft-apply-precision=mode=BF16_TRUE --ft-differentiate --ft-apply-precision=mode=BF16_TRUE 2>&1 | FileCheck %s --check-prefix=LATE

// MODE: mode is "FP16_TRUE"; must be FP64_TRUE, FP32_TRUE, BF16_TRUE, BF16_MIXED or FP16_MIXED
// LATE: has no place in the table of precision modes, which is applied before differentiation

// FP64: trainable @up.weight : tensor<8x8xf64> {gradient_type = f64
// FP64-NOT: working_copy
// FP64: ft.embedding {{.*}} -> tensor<6x8xf64>
// FP64: ft.rms_norm {{.*}} -> (tensor<6x8xf64>, tensor<6xf64>)
// FP64: ft.linear {{.*}} -> tensor<6x8xf64>
// FP64-LABEL: func.func @generate
// FP64: %[[LOGITS:.+]] = ft.linear {{.*}} -> tensor<1x12xf64>
// FP64: %[[CAST:.+]] = ft.cast %[[LOGITS]] : tensor<1x12xf64> to tensor<1x12xf32>
// FP64: ft.write @logits, %[[CAST]]

// FP32: trainable @up.weight : tensor<8x8xf32> {gradient_type = f32
// FP32-NOT: working_copy
// FP32-NOT: ft.cast
// FP32: ft.linear {{.*}} -> tensor<1x12xf32>

// COPIED-NOT: working_copy @up.weight
// COPIED: working_copy @up.a.working_copy : tensor<2x8xf32> {of = @up.a}
// COPIED: working_copy @up.b.working_copy : tensor<8x2xf32> {of = @up.b}
// COPIED-LABEL: func.func @forward
// COPIED-DAG: %[[A:.+]] = ft.read @up.a.working_copy : tensor<2x8xf32>
// COPIED-DAG: %[[B:.+]] = ft.read @up.b.working_copy : tensor<8x2xf32>
// COPIED: %[[S:.+]] = ft.linear %{{.+}}, [%[[A]]]
// COPIED: ft.linear %{{.+}} low_rank[%[[S]]] [%[[B]]]

// TRUE: trainable @table.weight : tensor<12x8xbf16> {gradient_type = f32
// TRUE: trainable @norm.weight : tensor<8xbf16> {gradient_type = bf16
// TRUE: trainable @up.weight : tensor<8x8xbf16> {gradient_type = bf16
// TRUE: adapter @up.a : tensor<2x8xf32> {gradient_type = f32
// TRUE: working_copy @up.a.working_copy : tensor<2x8xbf16> {of = @up.a}
// TRUE: working_copy @up.b.working_copy : tensor<8x2xbf16> {of = @up.b}
// TRUE-LABEL: func.func @forward
// TRUE: ft.embedding {{.*}} -> tensor<6x8xbf16>
// TRUE: ft.rms_norm {{.*}} -> (tensor<6x8xbf16>, tensor<6xf32>)
// TRUE: ft.add {{.*}} -> tensor<6x8xbf16>
// TRUE: ft.linear {{.*}} -> tensor<1x12xf32>

// SUMMED: trainable @up.weight : tensor<8x8xbf16> {gradient_type = f32

// MIXED: trainable @table.weight : tensor<12x8xf32> {gradient_type = f32
// MIXED: trainable @norm.weight : tensor<8xf32> {gradient_type = f32
// MIXED-DAG: working_copy @table.weight.working_copy : tensor<12x8xbf16> {of = @table.weight}
// MIXED-DAG: working_copy @up.weight.working_copy : tensor<8x8xbf16> {of = @up.weight}
// MIXED-NOT: @norm.weight.working_copy
// MIXED-LABEL: func.func @forward
// MIXED: %[[UP:.+]] = ft.read @up.weight.working_copy : tensor<8x8xbf16>
// MIXED: %[[MASTER:.+]] = ft.read @table.weight : tensor<12x8xf32>
// MIXED: %[[X:.+]] = ft.embedding %[[MASTER]]{{.*}} -> tensor<6x8xf32>
// MIXED: %[[SCALE:.+]] = ft.read @norm.weight : tensor<8xf32>
// MIXED: %[[Y:.+]], %{{.+}} = ft.rms_norm %[[X]], %[[SCALE]] {{.*}} -> (tensor<6x8xbf16>, tensor<6xf32>)
// MIXED: %[[Z:.+]] = ft.linear %[[Y]], [%[[UP]]] low_rank{{.*}} -> tensor<6x8xbf16>
// MIXED: ft.add %[[X]], %[[Z]] : (tensor<6x8xf32>, tensor<6x8xbf16>) -> tensor<6x8xf32>
// MIXED: ft.head_loss {{.*}}tensor<12x8xbf16>
// MIXED-LABEL: func.func @generate
// MIXED: ft.linear {{.*}} : (tensor<1x8xbf16>, tensor<12x8xbf16>) -> tensor<1x12xf32>

ft.variable input @tokens : tensor<6xi32> {io = "TOKENS"}
ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable input @row_index : tensor<1xi32> {io = "ROW_INDEX"}
ft.variable input @sorted_positions : tensor<6xi32> {io = "SORTED_POSITIONS"}
ft.variable input @segment_starts : tensor<7xi32> {io = "SEGMENT_STARTS"}
ft.variable input @segment_ids : tensor<6xi32> {io = "SEGMENT_IDS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable output @logits : tensor<1x12xf32> {io = "LOGITS"}
ft.variable trainable @table.weight : tensor<12x8xf32> {key = "table.weight"}
ft.variable trainable @norm.weight : tensor<8xf32> {key = "norm.weight"}
ft.variable trainable @up.weight : tensor<8x8xf32> {key = "up.weight"}
ft.variable adapter @up.a : tensor<2x8xf32> {key = "up.a"}
ft.variable adapter @up.b : tensor<8x2xf32> {key = "up.b"}

func.func @forward() {
  %table = ft.read @table.weight : tensor<12x8xf32>
  %ids = ft.read @tokens : tensor<6xi32>
  %x = ft.embedding %table, %ids : (tensor<12x8xf32>, tensor<6xi32>) -> tensor<6x8xf32>
  %scale = ft.read @norm.weight : tensor<8xf32>
  %y, %rstd = ft.rms_norm %x, %scale {eps = 1.0e-5 : f64} : (tensor<6x8xf32>, tensor<8xf32>) -> (tensor<6x8xf32>, tensor<6xf32>)
  %up = ft.read @up.weight : tensor<8x8xf32>
  %a = ft.read @up.a : tensor<2x8xf32>
  %b = ft.read @up.b : tensor<8x2xf32>
  %s = ft.linear %y, [%a] : (tensor<6x8xf32>, tensor<2x8xf32>) -> tensor<6x2xf32>
  %z = ft.linear %y, [%up] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<6x8xf32>, tensor<8x8xf32>, tensor<6x2xf32>, tensor<8x2xf32>) -> tensor<6x8xf32>
  %sum = ft.add %x, %z : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %n, %rstd2 = ft.rms_norm %sum, %scale {eps = 1.0e-5 : f64} : (tensor<6x8xf32>, tensor<8xf32>) -> (tensor<6x8xf32>, tensor<6xf32>)
  %labels = ft.read @labels : tensor<6xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %loss = ft.head_loss %n, %table, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}

func.func @generate() {
  %table = ft.read @table.weight : tensor<12x8xf32>
  %ids = ft.read @tokens : tensor<6xi32>
  %x = ft.embedding %table, %ids : (tensor<12x8xf32>, tensor<6xi32>) -> tensor<6x8xf32>
  %index = ft.read @row_index : tensor<1xi32>
  %row = ft.gather_row %x, %index : (tensor<6x8xf32>, tensor<1xi32>) -> tensor<1x8xf32>
  %scale = ft.read @norm.weight : tensor<8xf32>
  %n, %rstd = ft.rms_norm %row, %scale {eps = 1.0e-5 : f64} : (tensor<1x8xf32>, tensor<8xf32>) -> (tensor<1x8xf32>, tensor<1xf32>)
  %logits = ft.linear %n, [%table] : (tensor<1x8xf32>, tensor<12x8xf32>) -> tensor<1x12xf32>
  ft.write @logits, %logits : tensor<1x12xf32>
  return
}
