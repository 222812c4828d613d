// RUN: not ft-opt %s --kernel-strip-mine=target=tpu 2>&1 | FileCheck %s

// CHECK: kernel-strip-mine: target is 'tpu'; must be cpu or gpu
kernel.func @k() item %i {
  kernel.return
}
