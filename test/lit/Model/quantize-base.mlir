// RUN: ft-opt %s --ft-insert-adapters="r=4 targets=q_proj" --ft-quantize-base | FileCheck %s
// RUN: ft-opt %s --ft-insert-adapters="r=4 targets=q_proj" --ft-quantize-base="double-quant left-out=v_proj" | FileCheck %s --check-prefix=LEFT
// RUN: ft-opt %s --ft-insert-adapters="r=4 targets=q_proj" --ft-quantize-base="left-out=layers.0" | FileCheck %s --check-prefix=NONE
// RUN: ft-opt %s --ft-insert-adapters="r=4 targets=q_proj" --ft-quantize-base="left-out=proj,ayers.0,layers.0.q" | FileCheck %s
// RUN: ft-opt %s --ft-insert-adapters="r=4 targets=q_proj" --ft-quantize-base="fp8 left-out=v_proj" | FileCheck %s --check-prefix=FP8
// RUN: not ft-opt %s --ft-quantize-base 2>&1 | FileCheck %s --check-prefix=TRAINED

// TRAINED: 'ft.variable' op is trained; a base in few bits is frozen, and needs adapters

// CHECK-DAG: ft.variable frozen @layers.0.q_proj.weight : tensor<64x64xf32> {key = "q", quantization = #ft.nf4<double_quant = false>}
// CHECK-DAG: ft.variable frozen @layers.0.v_proj.weight : tensor<32x64xf32> {key = "v", quantization = #ft.nf4<double_quant = false>}
// CHECK-DAG: ft.variable frozen @head.weight : tensor<8x64xf32> {key = "head"}
// CHECK-DAG: ft.variable adapter @layers.0.q_proj.lora_A.weight : tensor<4x64xf32> {init = {{{.*}}}, key = "{{[^"]*}}"}
// LEFT-DAG: ft.variable frozen @layers.0.q_proj.weight : tensor<64x64xf32> {key = "q", quantization = #ft.nf4<double_quant = true>}
// LEFT-DAG: ft.variable frozen @layers.0.v_proj.weight : tensor<32x64xf32> {key = "v"}
// FP8-DAG: ft.variable frozen @layers.0.q_proj.weight : tensor<64x64xf32> {key = "q", quantization = #ft.fp8}
// FP8-DAG: ft.variable frozen @layers.0.v_proj.weight : tensor<32x64xf32> {key = "v"}
// NONE-NOT: #ft.nf4

ft.variable trainable @layers.0.q_proj.weight : tensor<64x64xf32> {key = "q"}
ft.variable trainable @layers.0.v_proj.weight : tensor<32x64xf32> {key = "v"}
ft.variable trainable @head.weight : tensor<8x64xf32> {key = "head"}
ft.variable output @x : tensor<16x64xf32> {io = "LOGITS"}
ft.variable input @labels : tensor<16xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}

func.func @forward() {
  %q = ft.read @layers.0.q_proj.weight : tensor<64x64xf32>
  %v = ft.read @layers.0.v_proj.weight : tensor<32x64xf32>
  %head = ft.read @head.weight : tensor<8x64xf32>
  %labels = ft.read @labels : tensor<16xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %x = ft.read @x : tensor<16x64xf32>
  %y:2 = ft.linear %x, [%q, %v] : (tensor<16x64xf32>, tensor<64x64xf32>, tensor<32x64xf32>) -> (tensor<16x64xf32>, tensor<16x32xf32>)
  %loss = ft.head_loss %y#0, %head, %labels, %scalars : (tensor<16x64xf32>, tensor<8x64xf32>, tensor<16xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}
