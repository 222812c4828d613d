// RUN: ft-opt %s --kernel-strip-mine --split-input-file --verify-diagnostics

kernel.func @reread(%x: memref<4x8xf32>, %s: memref<4xf32>) item %i {
  %c0 = arith.constant 0 : index
  %n = arith.addi %i, %i : index
  // expected-error @below {{would be read again after its memory was overwritten; store later, or to other memory}}
  %v = vector.load %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
  %d = arith.addf %v, %v : vector<8xf32>
  // expected-note @below {{overwritten here}}
  vector.store %d, %x[%n, %c0] : memref<4x8xf32>, vector<8xf32>
  %w = vector.load %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
  %e = arith.addf %v, %w : vector<8xf32>
  %r = vector.reduction <add>, %e : vector<8xf32> into f32
  memref.store %r, %s[%i] : memref<4xf32>
  kernel.return
}

// -----

kernel.func @carried(%x: memref<4x8xf32>) item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant dense<0.0> : vector<8xf32>
  // expected-error @below {{carries a row across a reduction or store; store the row, or split the kernel}}
  %sum = scf.for %k = %c0 to %c4 step %c1 iter_args(%acc = %zero) -> (vector<8xf32>) {
    %s = vector.reduction <add>, %acc : vector<8xf32> into f32
    %ss = vector.broadcast %s : f32 to vector<8xf32>
    scf.yield %ss : vector<8xf32>
  }
  vector.store %sum, %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
  kernel.return
}

// -----

kernel.func @shuffled(%x: memref<4x8xf32>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
  // expected-error @below {{cannot be computed tile by tile}}
  %r = vector.shuffle %v, %v [7, 6, 5, 4, 3, 2, 1, 0] : vector<8xf32>, vector<8xf32>
  vector.store %r, %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
  kernel.return
}

// -----

kernel.func @matrix(%x: memref<4x8xf32>) item %i {
  // expected-error @below {{has a vector that is not a row: 'vector<2x4xf32>'}}
  %v = arith.constant dense<0.0> : vector<2x4xf32>
  kernel.return
}

// -----

kernel.func @divide(%x: memref<4x8xi32>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<4x8xi32>, vector<8xi32>
  // expected-error @below {{integer division of rows needs a constant divisor: masked lanes hold zeros}}
  %r = arith.divsi %v, %v : vector<8xi32>
  vector.store %r, %x[%i, %c0] : memref<4x8xi32>, vector<8xi32>
  kernel.return
}

// -----

kernel.func @table(%x: memref<4x2xf32>) item %i {
  %c0 = arith.constant 0 : index
  // expected-error @below {{row constants must be splats; compute others from vector.step}}
  %v = arith.constant dense<[1.0, 2.0]> : vector<2xf32>
  vector.store %v, %x[%i, %c0] : memref<4x2xf32>, vector<2xf32>
  kernel.return
}

// -----

kernel.func @allocates() item %i {
  // expected-error @below {{cannot stand in a kernel}}
  %m = memref.alloc() : memref<4xf32>
  kernel.return
}
