// RUN: ft-opt %s --kernel-fuse=partials=100 | FileCheck %s

ft.variable trainable @norm : tensor<64xf32> {key = "norm"}
ft.variable gradient @dnorm : tensor<64xf32> {key = "norm", of = @norm}
ft.variable input @in : tensor<128x64xf32> {io = "TOKENS"}
ft.variable input @rstd : tensor<128xf32> {io = "TOKENS"}

// Many partial sums become few first: one item adds up what it finds one behind the other.
// CHECK-LABEL: func.func @many
// CHECK: %[[MANY:.*]] = kernel.fused "column_partials"({{.*}}) : (tensor<128x64xf32>, tensor<128xf32>) -> tensor<100x64xf32>
// CHECK: %[[FEW:.*]] = kernel.fused "column_partials"(%[[MANY]]) : (tensor<100x64xf32>) -> tensor<13x64xf32>
// CHECK-NEXT: ^bb0(%[[IN:.*]]: tensor<100x64xf32>):
// CHECK-NEXT: kernel.column_partials %[[IN]] : (tensor<100x64xf32>) -> tensor<13x64xf32>
// CHECK: kernel.fused "column_sum"(%[[FEW]]) : (tensor<13x64xf32>) -> tensor<64xf32>
func.func @many() {
  %x = ft.read @in : tensor<128x64xf32>
  %r = ft.read @rstd : tensor<128xf32>
  %dw = ft.rms_norm_weight_grad %x, %x, %r : (tensor<128x64xf32>, tensor<128x64xf32>, tensor<128xf32>) -> tensor<64xf32>
  ft.write @dnorm, %dw : tensor<64xf32>
  return
}
