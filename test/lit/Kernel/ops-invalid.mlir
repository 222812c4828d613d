// RUN: ft-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{(C1) operand 1 must be a memref of static shape and strides, last stride 1, rank >= 1, of f64, f32, bf16, f16, i64, i32, i16 or i8; is 'memref<?x8xf32>'}}
kernel.func @dynamic(%a: memref<4x8xf32>, %b: memref<?x8xf32>) item %i {
  kernel.return
}

// -----

// expected-error @below {{(C1) operand 0 must be a memref}}
kernel.func @strided(%a: memref<4x8xf32, strided<[1, 4]>>) item %i {
  kernel.return
}

// -----

// expected-error @below {{(C1) operand 0 must be a memref}}
kernel.func @bit(%a: memref<4x8xi1>) item %i {
  kernel.return
}

// -----

// expected-error @below {{(C1) operand 0 must be a memref}}
kernel.func @scalar(%a: f32) item %i {
  kernel.return
}

// -----

// expected-error @below {{(C2) the last argument of the body must be the item, an index}}
"kernel.func"() ({
^bb0(%a: memref<4xf32>):
  kernel.return
}) {sym_name = "noitem"} : () -> ()

// -----

// expected-error @below {{(C3) 'inplace' must be a list of pairs of operand numbers, has [0]}}
kernel.func @notpair(%a: memref<4x8xf32>) attributes {inplace = [[0]]} item %i {
  kernel.return
}

// -----

// expected-error @below {{(C3) in-place pair [0, 2] names operand 2; there are 2}}
kernel.func @range(%a: memref<4x8xf32>, %b: memref<4x8xf32>) attributes {inplace = [[0, 2]]} item %i {
  kernel.return
}

// -----

// expected-error @below {{(C3) operand 0 occurs twice in 'inplace'}}
kernel.func @twice(%a: memref<4x8xf32>, %b: memref<4x8xf32>) attributes {inplace = [[0, 1], [0, 1]]} item %i {
  kernel.return
}

// -----

// expected-error @below {{(C3) in-place operands 0 and 1 must have one type, have 'memref<4x8xf32>' and 'memref<4x8xbf16>'}}
kernel.func @types(%a: memref<4x8xf32>, %b: memref<4x8xbf16>) attributes {inplace = [[0, 1]]} item %i {
  kernel.return
}

// -----

// expected-error @below {{(C4) the body must end with kernel.return}}
"kernel.func"() ({
^bb0(%i: index):
  %c = arith.constant 0 : index
}) {sym_name = "open"} : () -> ()

// -----

// expected-error @below {{expects parent op 'kernel.func'}}
"kernel.return"() : () -> ()

// -----

kernel.func @mixed() item %i {
  %k = arith.constant 3 : i32
  %c = arith.constant dense<7> : vector<16xi32>
  // expected-error @below {{failed to verify that all of {counter0, counter1, counter2, counter3, word0, word1, word2, word3} have same type}}
  %w:4 = "kernel.philox"(%c, %c, %c, %k, %k, %k) : (vector<16xi32>, vector<16xi32>, vector<16xi32>, i32, i32, i32) -> (vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>)
  kernel.return
}

// -----

kernel.func @wide() item %i {
  %k = arith.constant 3 : i32
  %c = arith.constant 3 : i64
  // expected-error @below {{operand #0 must be i32 or a row of i32, but got 'i64'}}
  %w:4 = kernel.philox counter(%c, %c, %c, %c) key(%k, %k) : i64
  kernel.return
}

// -----

// expected-error @below {{(C5) items is 0; must be positive}}
kernel.func @none(%x: memref<8xf32>) attributes {items = 0 : i64} item %i {
  kernel.return
}

// -----

kernel.func @indices(%bytes: memref<9x32xi8>) item %i {
  // expected-error @below {{(C1) has 1 indices; must have 2}}
  %codes = kernel.load_codes %bytes[%i] : memref<9x32xi8>, vector<64xi32>
  kernel.return
}

// -----

kernel.func @odd(%bytes: memref<9x32xi8>) item %i {
  %c0 = arith.constant 0 : index
  // expected-error @below {{(C2) loads 'vector<63xi32>'; must have an even number of elements}}
  %codes = kernel.load_codes %bytes[%i, %c0] : memref<9x32xi8>, vector<63xi32>
  kernel.return
}
