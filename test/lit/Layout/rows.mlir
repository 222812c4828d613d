// Where updates round stochastically, a parameter's rows have the same numbers however many ranks share buckets and
// however these are cut: rows of 1024 elements, numbered kind by kind. What pads a bucket at its end has numbers that are
// another's; it is zero.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2" --ftc-to-model="precision=BF16_TRUE" --ft-lay-out > %t.one.mlir
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2" --ftc-to-model="precision=BF16_TRUE" --ft-lay-out="ranks=3" > %t.three.mlir
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2" --ftc-to-model="precision=BF16_TRUE" --ft-lay-out="ranks=2 split-parameters" > %t.split.mlir
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2" --ftc-to-model="precision=BF16_TRUE" --ft-lay-out="host=0.5" > %t.host.mlir
// RUN: python3 %S/Rows.py < %t.one.mlir > %t.one
// RUN: python3 %S/Rows.py padded < %t.three.mlir > %t.three
// RUN: python3 %S/Rows.py padded < %t.split.mlir > %t.split
// RUN: python3 %S/Rows.py < %t.host.mlir > %t.host
// RUN: diff %t.one %t.three
// RUN: diff %t.one %t.split
// RUN: diff %t.one %t.host
// RUN: FileCheck %s < %t.one.mlir
// RUN: FileCheck %s --check-prefix=NUMBERS < %t.one
// RUN: FileCheck %s --check-prefix=HOST < %t.host.mlir

module {}

// CHECK: ft.variable random_keys @rounding_key : tensor<1xi64> {init = {kind = "random_keys", names = ["update"], stream = "rounding"}}
// CHECK: ft.variable row_numbers @bucket0.rows : tensor<32xi64> {init = {kind = "numbers", numbers = array<f64: 0.000000e+00,
// CHECK-LABEL: func.func @update
// CHECK-DAG: %[[KEY:.*]] = ft.read @rounding_key
// CHECK-DAG: %[[ROWS:.*]] = ft.read @bucket0.rows
// CHECK: ft.adamw {{.*}} rounding %[[KEY]] rows %[[ROWS]]

// NUMBERS: model.embed_tokens.weight 0 0
// NUMBERS: model.layers.0.mlp.down_proj.weight {{[0-9]+}} 0
// NUMBERS: model.norm.weight {{[0-9]+}} 0

// HOST: ft.variable row_numbers @{{.*}}.rows : tensor<32xi64> {host,
