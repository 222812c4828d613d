// The ft dialect: a model and its training step as pure tensor operations.
//
// All shapes are static and, until dist-partition, global. Activations are [tokens, features], row t of every one
// belonging to token t of the micro-batch. A module holds `ft.variable` declarations and one func.func without
// arguments or results per segment; segments communicate through variables alone. In a segment every read of a
// variable comes before its one write.
//
// Element types are the operands' own: an op computes in f32 (f64 where an operand is f64) and rounds once, to its
// result's type. compiler/Import and compiler/Model create these ops. Row-wise ones go into kernels in
// compiler/Fusion; compiler/Planning turns the others into plan steps. None is left behind Planning.
#ifndef FT_OPS_TD
#define FT_OPS_TD

include "dialects/Ft/FtBuckets.td"
include "dialects/Ft/FtProducts.td"
include "dialects/Ft/FtRowWise.td"
include "dialects/Ft/FtUpdate.td"
include "dialects/Ft/FtVariables.td"

#endif // FT_OPS_TD
