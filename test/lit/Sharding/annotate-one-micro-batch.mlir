// With one micro-batch a step, backward ends with the reduction of the gradients: they are whole.
// RUN: ft-opt %s --dist-annotate="strategy=DDP dp=2" | FileCheck %s

ft.variable trainable @w : tensor<8xf32> {key = "w"}
// CHECK: @w.gradient {{.*}}#dist.sharding<@mesh, {{\[\[}}]]>
ft.variable gradient @w.gradient : tensor<8xf32> {key = "w", of = @w}
