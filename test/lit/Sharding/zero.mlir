// States, or states and gradients, split over two ranks; what segments read is whole on both.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-sharded="steps=3 strategy=ZERO1 dp=2" | FileCheck %s --check-prefixes=CHECK,ONE
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-sharded="steps=3 strategy=ZERO2 dp=2" | FileCheck %s --check-prefixes=CHECK,TWO
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-sharded="strategy=ZERO1 dp=2 precision=BF16_MIXED" | FileCheck %s --check-prefix=MIXED
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="steps=3 strategy=ZERO1 dp=2" | FileCheck %s --check-prefix=PLAN

module {}

// CHECK: ft.variable trainable @bucket0.parameter : tensor<28672xf32> {bucket}
// ONE: ft.variable gradient @bucket0.gradient : tensor<28672xf32> {bucket, dist.sharding = #dist.sharding<@mesh, {{\[\[}}]], partial sum ["dp"]>
// ONE: ft.variable gradient @bucket0.gradient.reduced : tensor<14336xf32> {bucket, dist.global = tensor<28672xf32>{{.*}}place = #ft.place<bucket = @bucket0.gradient, offset = 0>, shares = 2 : i64}
// TWO: ft.variable gradient @bucket0.gradient : tensor<14336xf32> {bucket, dist.global = tensor<28672xf32>
// CHECK: ft.variable exp_avg @bucket0.exp_avg : tensor<14336xf32>

// A step has one reduction of the gradient in ZERO1, and one for each micro-batch in ZERO2; no weight is gathered for them.
// CHECK-LABEL: func.func @accumulate_first
// CHECK-NOT: dist.start_all_gather
// TWO: dist.start_reduce_scatter
// ONE-NOT: dist.start_{{reduce_scatter|all_gather}}
// CHECK-LABEL: func.func @accumulate_next
// TWO: %[[MINE:.*]] = dist.start_reduce_scatter
// TWO: ft.accumulate
// ONE-NOT: dist.start_{{reduce_scatter|all_gather}}
// ONE-LABEL: func.func @accumulate_last
// ONE: %[[ALL:.*]] = ft.assemble
// ONE: %[[P:.*]] = dist.start_reduce_scatter sum %[[ALL]]
// ONE: ft.write @bucket0.gradient.reduced, %{{.*}} : tensor<14336xf32>
// CHECK-LABEL: func.func @update
// CHECK-DAG: %[[P:.*]] = ft.read @bucket0.parameter : tensor<28672xf32>
// CHECK: dist.start_all_reduce norm2
// CHECK: %[[SHARE:.*]] = dist.slice %[[P]] dim 0 over ["dp"]
// CHECK: %[[NEW:.*]], %{{.*}}, %{{.*}} = ft.adamw %[[SHARE]]
// CHECK: %[[G:.*]] = dist.start_all_gather %[[NEW]]
// CHECK-NOT: dist.start
// CHECK: %[[WHOLE:.*]] = dist.done %[[G]]
// CHECK: ft.write @bucket0.parameter, %[[WHOLE]]

// Masters are states beside working copies: the copies are gathered, in bf16.
// MIXED: ft.variable trainable @bucket[[N:[0-9]+]].parameter : tensor<{{[0-9]+}}xf32> {bucket, dist.global
// MIXED: ft.variable working_copy @bucket[[N]].copy : tensor<{{[0-9]+}}xbf16> {bucket, of
// MIXED-LABEL: func.func @update
// MIXED: %[[NEW:.*]], %{{.*}}, %{{.*}} = ft.adamw
// MIXED-DAG: ft.write @bucket[[N]].parameter, %[[NEW]]
// MIXED-DAG: %[[C:.*]] = ft.cast %[[NEW]]
// MIXED-DAG: dist.start_all_gather %[[C]]
// MIXED-LABEL: func.func @initialize
// MIXED: %[[C:.*]] = ft.cast
// MIXED: dist.start_all_gather %[[C]]

// In place: the own share of the gradient's bucket and of the parameter's. What the last update gathered is stale.
// PLAN: plan.buffer @bucket0.gradient in @gradients gradient 114688 {{.*}}shares = #plan.shares<axes = [0], bytes = 114688>
// PLAN: plan.buffer @bucket0.exp_avg in @optimizer optimizer_state 57344 {{.*}}shares = #plan.shares<axes = [0], bytes = 114688>
// PLAN-LABEL: plan.segment @accumulate_last
// PLAN: plan.collective {{.*}} reduce_scatter sum f32 over [0] [#plan.operand<buffer = @bucket0.gradient, offset = 0, {{.*}} read = [[SUM:[0-9]+]]>] part [#plan.operand<buffer = @bucket0.gradient, offset = 0, {{.*}} write = [[REDUCED:[0-9]+]], rankPitch = [57344]>]
// PLAN-LABEL: plan.segment @update
// PLAN-SAME: renames = [#plan.rename<buffer = @bucket0.parameter, from = [[NOW:[0-9]+]], to = [[STALE:[0-9]+]]>]
// PLAN: plan.launch {{.*}}buffer = @bucket0.parameter, {{.*}}read = [[STALE]], write = [[MINE:[0-9]+]], rankPitch = [57344]>
// PLAN-SAME: buffer = @bucket0.gradient, {{.*}}read = [[REDUCED]], rankPitch
// PLAN: plan.collective {{.*}} all_gather f32 over [0] [#plan.operand<buffer = @bucket0.parameter, {{.*}}write = [[NOW]]>] part [#plan.operand<buffer = @bucket0.parameter, {{.*}}read = [[MINE]], rankPitch
