// RUN: ft-opt %s --ft-add-optimizer="weight-decay=0.1 beta2=0.95 max-grad-norm=2" | FileCheck %s --check-prefixes=CHECK,ADAMW
// RUN: ft-opt %s --ft-add-optimizer="weight-decay=0.1 decay-norms bf16-state" | FileCheck %s --check-prefix=NORMS
// RUN: ft-opt %s --ft-add-optimizer="kind=SGD momentum=0.9 max-grad-norm=0" | FileCheck %s --check-prefixes=CHECK,MOMENTUM
// RUN: ft-opt %s --ft-add-optimizer="kind=SGD" | FileCheck %s --check-prefix=SGD
// RUN: ft-opt %s --ft-add-optimizer="bf16-state split-masters" | FileCheck %s --check-prefix=SPLIT
// RUN: ft-opt %s --ft-add-optimizer="kind=LION beta2=0.99 weight-decay=0.1" | FileCheck %s --check-prefixes=CHECK,LION
// RUN: ft-opt %s --ft-add-optimizer="kind=LION bf16-state split-masters" | FileCheck %s --check-prefix=LIONSPLIT
// RUN: not ft-opt %s --ft-add-optimizer="kind=ADAGRAD" 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: echo 'module {}' | not ft-opt --ft-add-optimizer 2>&1 | FileCheck %s --check-prefix=EMPTY

// KIND: kind is "ADAGRAD"; must be ADAMW, SGD or LION
// EMPTY: the optimizer needs the input SCALARS and the output STATUS

// ADAMW: ft.variable exp_avg @w.exp_avg : tensor<12x8xf32> {init = {kind = "zeros"}, key = "w", of = @w}
// ADAMW: ft.variable exp_avg_sq @w.exp_avg_sq : tensor<12x8xf32> {init = {kind = "zeros"}, key = "w", of = @w}
// LION: ft.variable exp_avg @w.exp_avg : tensor<12x8xf32> {init = {kind = "zeros"}, key = "w", of = @w}
// LION-NOT: exp_avg_sq
// MOMENTUM: ft.variable exp_avg @w.exp_avg : tensor<12x8xf32>
// MOMENTUM-NOT: exp_avg_sq
// CHECK-LABEL: func.func @update()
// CHECK-DAG: %[[DW:.+]] = ft.read @w.gradient
// CHECK-DAG: %[[DN:.+]] = ft.read @n.gradient
// CHECK: %[[NORM:.+]] = ft.grad_norm %[[DW]], %[[DN]]
// CHECK: ft.write @grad_norm, %[[NORM]]
// CHECK: %[[STATUS:.+]] = ft.check_finite %[[NORM]], %{{.+}}, %{{.+}} {cause = 2 : i32}
// CHECK: ft.write @status, %[[STATUS]]
// ADAMW: %[[W:.+]], %[[M:.+]], %[[V:.+]] = ft.adamw %{{.+}}, %[[DW]], %{{.+}}, %{{.+}}, %[[NORM]], %[[STATUS]], %{{.+}} {beta1 = 9.000000e-01 : f64, beta2 = 0.94999999999999996 : f64, epsilon = 1.000000e-08 : f64, max_norm = 2.000000e+00 : f64, weight_decay = 1.000000e-01 : f64}
// ADAMW: ft.write @w.exp_avg, %[[M]]
// ADAMW: ft.write @w.exp_avg_sq, %[[V]]
// LION: %[[W:.+]], %[[M:.+]] = ft.lion %{{.+}}, %[[DW]], %{{.+}}, %[[NORM]], %[[STATUS]], %{{.+}} {beta1 = 9.000000e-01 : f64, beta2 = 0.98999999999999999 : f64, max_norm = 1.000000e+00 : f64, weight_decay = 1.000000e-01 : f64}
// LION: ft.write @w.exp_avg, %[[M]]
// MOMENTUM: %[[W:.+]], %[[M:.+]] = ft.sgd %{{.+}}, %[[DW]] momentum %{{.+}}, %[[NORM]], %[[STATUS]], %{{.+}} {max_norm = 0.000000e+00 : f64, momentum = 9.000000e-01 : f64
// MOMENTUM: ft.write @w.exp_avg, %[[M]]
// CHECK: ft.write @w, %[[W]]
// CHECK: %[[COPY:.+]] = ft.cast %[[W]]
// CHECK: ft.write @w.working_copy, %[[COPY]]
// ADAMW: %[[N:.+]], %{{.+}}, %{{.+}} = ft.adamw %{{.+}}, %[[DN]]{{.*}} weight_decay = 0.000000e+00 : f64
// ADAMW: ft.write @n, %[[N]]
// ADAMW-NEXT: ft.write @n.working_copy, %[[N]]
// LION: %[[N:.+]], %{{.+}} = ft.lion %{{.+}}, %[[DN]]{{.*}} weight_decay = 0.000000e+00 : f64
// LION: ft.write @n, %[[N]]
// CHECK-LABEL: func.func @initialize()
// CHECK: %[[MASTER:.+]] = ft.read @w : tensor<12x8xf32>
// CHECK: %[[FIRST:.+]] = ft.cast %[[MASTER]] {ties_away} : tensor<12x8xf32> to tensor<12x8xbf16>
// CHECK: ft.write @w.working_copy, %[[FIRST]]
// CHECK: %[[SAME:.+]] = ft.read @n : tensor<8xf32>
// CHECK-NEXT: ft.write @n.working_copy, %[[SAME]]

// NORMS: ft.variable random_keys @rounding_key
// NORMS: ft.variable exp_avg @n.exp_avg : tensor<8xbf16>
// NORMS: ft.adamw {{.*}} rounding %{{[0-9]+}} {
// NORMS-COUNT-2: weight_decay = 1.000000e-01 : f64
// SGD-NOT: exp_avg
// SGD: ft.sgd

// The master that products alone read becomes its copy; of the other one the copy is its own type.
// SPLIT: ft.variable trainable @w : tensor<12x8xbf16> {key = "w"}
// SPLIT: ft.variable trainable @n : tensor<8xf32> {key = "n"}
// SPLIT-NOT: @w.working_copy
// SPLIT: ft.variable remainder @w.remainder : tensor<12x8xi16> {init = {kind = "zeros"}, key = "w", of = @w}
// SPLIT-LABEL: func.func @forward()
// SPLIT: ft.read @w : tensor<12x8xbf16>
// SPLIT-LABEL: func.func @update()
// SPLIT: %[[R:.+]] = ft.read @w.remainder
// SPLIT: %[[W:.+]], %{{.+}}, %{{.+}}, %[[NEXT:.+]] = ft.adamw {{.*}} remainder %[[R]], {{.*}} rounding
// SPLIT: ft.write @w.remainder, %[[NEXT]]
// SPLIT: ft.write @w, %[[W]] : tensor<12x8xbf16>

// LIONSPLIT: ft.variable remainder @w.remainder : tensor<12x8xi16>
// LIONSPLIT-LABEL: func.func @update()
// LIONSPLIT: %[[R:.+]] = ft.read @w.remainder
// LIONSPLIT: %[[W:.+]], %[[M:.+]], %[[NEXT:.+]] = ft.lion {{.*}} remainder %[[R]], {{.*}} rounding {{.*}} -> (tensor<12x8xbf16>, tensor<12x8xbf16>, tensor<12x8xi16>)
// LIONSPLIT: ft.write @w.exp_avg, %[[M]]
// LIONSPLIT: ft.write @w.remainder, %[[NEXT]]
// LIONSPLIT: ft.write @w, %[[W]] : tensor<12x8xbf16>

ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @status : tensor<4xi32> {io = "STATUS"}
ft.variable trainable @w : tensor<12x8xf32> {key = "w"}
ft.variable trainable @n : tensor<8xf32> {key = "n"}
ft.variable working_copy @w.working_copy : tensor<12x8xbf16> {of = @w}
ft.variable working_copy @n.working_copy : tensor<8xf32> {of = @n}
ft.variable gradient @w.gradient : tensor<12x8xf32> {key = "w", of = @w}
ft.variable gradient @n.gradient : tensor<8xf32> {key = "n", of = @n}

func.func @forward() {
  %w = ft.read @w.working_copy : tensor<12x8xbf16>
  return
}
