// Buckets on the host: masters and moments there; on the device the copies that products read, and a mirror of what is read
// as it is stored. The tied embedding is read both ways, so it has a bucket of its own.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-model="precision=BF16_MIXED" --ft-lay-out=host=1 | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-model="precision=BF16_MIXED" --ft-lay-out=host=0.5 | FileCheck %s --check-prefix=HALF
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-model="precision=BF16_MIXED" --ft-lay-out | FileCheck %s --check-prefix=NONE
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-model="precision=BF16_MIXED" --ft-lay-out="host=1 gradients-leave" | FileCheck %s --check-prefix=LEAVE
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-model="precision=BF16_MIXED steps=2" --ft-lay-out="host=1 gradients-leave" | FileCheck %s --check-prefix=SUM
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-model="precision=BF16_MIXED" --ft-lay-out="host=0.5 gradients-leave" | FileCheck %s --check-prefix=SOME

module {}

// CHECK: ft.variable trainable @bucket0.parameter : tensor<2048xf32> {bucket, host}
// CHECK: ft.variable working_copy @bucket0.copy : tensor<2048xbf16> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable gradient @bucket0.gradient : tensor<2048xf32> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable exp_avg @bucket0.exp_avg : tensor<2048xf32> {bucket, host, of = @bucket0.parameter}
// CHECK: ft.variable exp_avg_sq @bucket0.exp_avg_sq : tensor<2048xf32> {bucket, host, of = @bucket0.parameter}
// CHECK: ft.variable working_copy @bucket0.mirror : tensor<2048xf32> {bucket, of = @bucket0.parameter}
// Norms are read as they are stored, linears are not.
// CHECK: ft.variable working_copy @bucket1.mirror : tensor<1024xf32> {bucket, of = @bucket1.parameter}
// CHECK-NOT: @bucket2.mirror
// CHECK-LABEL: func.func @accumulate_first
// CHECK-NOT: ft.read @bucket{{[0-9]}}.parameter
// CHECK: ft.read @bucket0.mirror
// CHECK-LABEL: func.func @update
// CHECK: %[[P:.*]], %{{.*}}, %{{.*}} = ft.adamw %{{.*}} : (tensor<2048xf32>
// CHECK: ft.write @bucket0.parameter, %[[P]]
// CHECK: ft.write @bucket0.mirror, %[[P]]
// CHECK: %[[C:.*]] = ft.cast %[[P]]
// CHECK: ft.write @bucket0.copy, %[[C]]
// CHECK-LABEL: func.func @initialize
// CHECK: ft.write @bucket0.mirror
// CHECK: ft.write @bucket1.mirror

// The last buckets, as few as make the share.
// HALF: @bucket0.parameter : tensor<2048xf32> {bucket}
// HALF: @bucket1.parameter : tensor<1024xf32> {bucket}
// HALF: @bucket2.parameter : tensor<9216xf32> {bucket, host}

// NONE: @bucket2.parameter : tensor<9216xf32> {bucket}
// NONE-NOT: host
// NONE-NOT: mirror

// Of one micro-batch a gradient may leave for the host; a sum of several is where it is added to.
// LEAVE: ft.variable gradient @bucket0.gradient : tensor<2048xf32> {bucket, host, of = @bucket0.parameter}
// LEAVE: ft.variable gradient @bucket2.gradient : tensor<9216xf32> {bucket, host, of = @bucket2.parameter}
// SUM: ft.variable gradient @bucket0.gradient : tensor<2048xf32> {bucket, of = @bucket0.parameter}
// SUM: ft.variable gradient @bucket2.gradient : tensor<9216xf32> {bucket, of = @bucket2.parameter}
// SOME: ft.variable gradient @bucket0.gradient : tensor<2048xf32> {bucket, of = @bucket0.parameter}
// SOME: ft.variable gradient @bucket2.gradient : tensor<9216xf32> {bucket, host, of = @bucket2.parameter}
