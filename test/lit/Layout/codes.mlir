// Moments in codes: members begin at whole blocks of 256 elements, scales lie by block, and each of two ranks has as many
// blocks as fill 256 bytes with their scales. What is too small for codes has a bucket of its own.
// RUN: ft-opt %s --ft-add-optimizer="int8-state" --ft-lay-out=ranks=2 | FileCheck %s
// RUN: ft-opt %s --ft-add-optimizer="kind=LION int8-state" --ft-lay-out=ranks=2 | FileCheck %s --check-prefix=LION

// CHECK: ft.variable trainable @bucket0.parameter : tensor<32768xf32> {bucket}
// CHECK: ft.variable exp_avg @bucket0.exp_avg : tensor<32768xi8> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable exp_avg_scales @bucket0.exp_avg_scales : tensor<128xf32> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable exp_avg_sq_scales @bucket0.exp_avg_sq_scales : tensor<128xf32> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable trainable @w : {{.*}}place = #ft.place<bucket = @bucket0.parameter, offset = 0>
// CHECK: ft.variable trainable @bucket1.parameter : tensor<2048xf32> {bucket}
// CHECK: ft.variable trainable @small
// CHECK: ft.variable trainable @next : {{.*}}place = #ft.place<bucket = @bucket0.parameter, offset = 4352>
// CHECK: ft.variable exp_avg @next.exp_avg : tensor<64x64xi8> {{.*}}place = #ft.place<bucket = @bucket0.exp_avg, offset = 4352>
// CHECK: ft.variable exp_avg_scales @next.exp_avg_scales : tensor<16xf32> {{.*}}place = #ft.place<bucket = @bucket0.exp_avg_scales, offset = 17>
// CHECK-LABEL: func.func @update
// CHECK: %{{.*}}, %[[M:.*]], %[[V:.*]], %[[NEXT:.*]]:2 = ft.adamw {{.*}} scales(%{{.*}}, %{{.*}}), {{.*}} -> (tensor<32768xf32>, tensor<32768xi8>, tensor<32768xi8>, tensor<128xf32>, tensor<128xf32>)
// CHECK: ft.adamw {{.*}} -> (tensor<2048xf32>, tensor<2048xf32>, tensor<2048xf32>)
// CHECK-NOT: ft.adamw
// CHECK-DAG: ft.write @bucket0.exp_avg, %[[M]]
// CHECK-DAG: ft.write @bucket0.exp_avg_sq, %[[V]]
// CHECK-DAG: ft.write @bucket0.exp_avg_scales, %[[NEXT]]#0
// CHECK-DAG: ft.write @bucket0.exp_avg_sq_scales, %[[NEXT]]#1

// One moment, so one of scales.
// LION: ft.variable exp_avg @bucket0.exp_avg : tensor<32768xi8> {bucket, of = @bucket0.parameter}
// LION-NOT: exp_avg_sq
// LION: ft.variable exp_avg_scales @bucket0.exp_avg_scales : tensor<128xf32> {bucket, of = @bucket0.parameter}
// LION-NOT: exp_avg_sq
// LION-LABEL: func.func @update
// LION: %{{.*}}, %[[M:.*]], %[[NEXT:.*]] = ft.lion {{.*}} scales(%{{.*}}), {{.*}} -> (tensor<32768xf32>, tensor<32768xi8>, tensor<128xf32>)
// LION: ft.lion {{.*}} -> (tensor<2048xf32>, tensor<2048xf32>)
// LION-NOT: ft.lion
// LION-DAG: ft.write @bucket0.exp_avg, %[[M]]
// LION-DAG: ft.write @bucket0.exp_avg_scales, %[[NEXT]]

ft.variable trainable @w : tensor<66x64xf32> {key = "w"}
ft.variable trainable @small : tensor<16x8xf32> {key = "small"}
ft.variable trainable @next : tensor<64x64xf32> {key = "next"}
ft.variable gradient @w.gradient : tensor<66x64xf32> {key = "w", of = @w}
ft.variable gradient @small.gradient : tensor<16x8xf32> {key = "small", of = @small}
ft.variable gradient @next.gradient : tensor<64x64xf32> {key = "next", of = @next}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @status : tensor<4xi32> {io = "STATUS"}
