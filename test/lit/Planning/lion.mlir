// Lion's one moment, split over two ranks as AdamW's are; on the host its program is the device's.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-sharded="optim=LION strategy=ZERO1 dp=2" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="optim=LION strategy=ZERO1 dp=2" | FileCheck %s --check-prefix=PLAN
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-plan="optim=LION precision=BF16_MIXED host=1" | FileCheck %s --check-prefix=HOST

module {}

// CHECK: ft.variable trainable @bucket0.parameter : tensor<28672xf32> {bucket}
// CHECK: ft.variable exp_avg @bucket0.exp_avg : tensor<14336xf32>
// CHECK-NOT: exp_avg_sq
// CHECK-LABEL: func.func @update
// CHECK-DAG: %[[P:.*]] = ft.read @bucket0.parameter : tensor<28672xf32>
// CHECK: %[[SHARE:.*]] = dist.slice %[[P]] dim 0 over ["dp"]
// CHECK: %[[NEW:.*]], %[[M:.*]] = ft.lion %[[SHARE]], {{.*}} -> (tensor<14336xf32>, tensor<14336xf32>)
// CHECK: dist.start_all_gather %[[NEW]]
// CHECK: ft.write @bucket0.exp_avg, %[[M]]

// PLAN: plan.buffer @bucket0.exp_avg in @optimizer optimizer_state 57344 {{.*}}shares = #plan.shares<axes = [0], bytes = 114688>
// PLAN-NOT: exp_avg_sq
// PLAN-LABEL: plan.segment @update
// PLAN: plan.launch {{.*}}@lion items 14 [#plan.operand<buffer = @bucket0.parameter, {{.*}}rankPitch = [57344]>, #plan.operand<buffer = @bucket0.gradient, {{.*}}#plan.operand<buffer = @bucket0.exp_avg, {{.*}}write
// PLAN: plan.collective {{.*}} all_gather f32 over [0] [#plan.operand<buffer = @bucket0.parameter,
// PLAN: kernel.func @lion(

// HOST-LABEL: plan.segment @finish {
// HOST: plan.host_launch "update.model.embed_tokens.weight" @host_lion items 2 [#plan.operand<buffer = @bucket0.parameter,
// HOST: plan.copy "update.model.embed_tokens.weight.from_host" {{.*}} to <buffer = @bucket0.mirror,
// HOST: kernel.func @host_lion({{.*}} attributes {host, items = 2
