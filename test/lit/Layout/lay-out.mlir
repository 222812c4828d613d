// Parameters, gradients and moments in buckets: one for each update that differs, here by weight decay.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2" --ftc-to-model="steps=2" --ft-lay-out | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2" --ftc-to-model="targets=all-linear precision=BF16_MIXED" --ft-lay-out | FileCheck %s --check-prefix=LORA

module {}

// CHECK: ft.variable trainable @bucket0.parameter : tensor<[[N:[0-9]+]]xf32> {bucket}
// CHECK: ft.variable gradient @bucket0.gradient : tensor<[[N]]xf32> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable exp_avg @bucket0.exp_avg : tensor<[[N]]xf32> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable exp_avg_sq @bucket0.exp_avg_sq : tensor<[[N]]xf32> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable trainable @model.embed_tokens.weight : tensor<72x32xf32> {{.*}}place = #ft.place<bucket = @bucket0.parameter, offset = 0>
// CHECK: ft.variable gradient @model.embed_tokens.weight.gradient : tensor<72x32xf32> {{.*}}place = #ft.place<bucket = @bucket0.gradient, offset = 0>

// A member is a view of its bucket; gradients are written together.
// CHECK-LABEL: func.func @accumulate_next
// CHECK-DAG: %[[P:.*]] = ft.read @bucket0.parameter
// CHECK-DAG: %[[G:.*]] = ft.read @bucket0.gradient
// CHECK: ft.view %[[P]] at 0 : tensor<[[N]]xf32> -> tensor<72x32xf32>
// CHECK: ft.head_loss_grad {{.*}} accumulate
// CHECK: %[[SUM:.*]] = ft.assemble[{{.*}}] at [0, 2304,
// CHECK: ft.write @bucket0.gradient, %[[SUM]]
// CHECK-NOT: .weight
// CHECK-LABEL: func.func @update
// CHECK: ft.grad_norm %{{.*}} : (tensor<[[N]]xf32>
// CHECK: ft.adamw
// CHECK-SAME: tensor<[[N]]xf32>
// CHECK-NOT: ft.adamw

// Masters in f32; what products read are copies in bf16, of the whole bucket.
// LORA: ft.variable adapter @bucket0.parameter : tensor<[[N:[0-9]+]]xf32> {bucket}
// LORA: ft.variable working_copy @bucket0.copy : tensor<[[N]]xbf16> {bucket, of = @bucket0.parameter}
// LORA-LABEL: func.func @initialize
// LORA: %[[P:.*]] = ft.read @bucket0.parameter
// LORA-NEXT: %[[C:.*]] = ft.cast %[[P]]
// LORA-NEXT: ft.write @bucket0.copy, %[[C]]
