// RUN: ft-opt %s --ft-add-optimizer="int8-state" | FileCheck %s
// RUN: ft-opt %s --ft-add-optimizer="kind=LION int8-state" | FileCheck %s --check-prefix=LION

// Moments of @w lie in codes, with a scale for each of 17 blocks, of which the last is short. @n is too small.

// CHECK: ft.variable exp_avg @w.exp_avg : tensor<66x64xi8> {init = {kind = "zeros"}, key = "w", of = @w}
// CHECK: ft.variable exp_avg_sq @w.exp_avg_sq : tensor<66x64xi8>
// CHECK: ft.variable exp_avg_scales @w.exp_avg_scales : tensor<17xf32> {init = {kind = "zeros"}, key = "w", of = @w}
// CHECK: ft.variable exp_avg_sq_scales @w.exp_avg_sq_scales : tensor<17xf32> {init = {kind = "zeros"}, key = "w", of = @w}
// CHECK: ft.variable exp_avg @n.exp_avg : tensor<4095xf32>
// CHECK-NOT: @n.exp_avg_scales
// CHECK-LABEL: func.func @update()
// CHECK: %[[A:.+]] = ft.read @w.exp_avg_scales
// CHECK: %[[B:.+]] = ft.read @w.exp_avg_sq_scales
// CHECK: %[[W:.+]], %[[M:.+]], %[[V:.+]], %[[NEXT:.+]]:2 = ft.adamw {{.*}} scales(%[[A]], %[[B]]), {{.*}}
// CHECK: ft.write @w.exp_avg, %[[M]]
// CHECK: ft.write @w.exp_avg_sq, %[[V]]
// CHECK: ft.write @w.exp_avg_scales, %[[NEXT]]#0
// CHECK: ft.write @w.exp_avg_sq_scales, %[[NEXT]]#1
// CHECK: ft.write @w, %[[W]]

// LION: ft.variable exp_avg @w.exp_avg : tensor<66x64xi8>
// LION-NOT: exp_avg_sq
// LION: ft.variable exp_avg_scales @w.exp_avg_scales : tensor<17xf32>
// LION-NOT: exp_avg_sq
// LION-LABEL: func.func @update()
// LION: %[[A:.+]] = ft.read @w.exp_avg_scales
// LION: %[[W:.+]], %[[M:.+]], %[[NEXT:.+]] = ft.lion {{.*}} scales(%[[A]]), {{.*}}
// LION: ft.write @w.exp_avg, %[[M]]
// LION: ft.write @w.exp_avg_scales, %[[NEXT]]
// LION: ft.write @w, %[[W]]

ft.variable trainable @w : tensor<66x64xf32> {key = "w"}
ft.variable trainable @n : tensor<4095xf32> {key = "n"}
ft.variable gradient @w.gradient : tensor<66x64xf32> {key = "w", of = @w}
ft.variable gradient @n.gradient : tensor<4095xf32> {key = "n", of = @n}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @status : tensor<4xi32> {io = "STATUS"}
