// Which trained parameters share a bucket, and where in it they lie.
#pragma once

#include "compiler/Layout/Borders.h"
#include "compiler/Layout/Layout.h"
#include "dialects/Ft/Ft.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace ft {

/// Elements that the size of a bucket is a multiple of: the rows that optimizers work on.
constexpr int64_t bucketAlignment = 1024;
/// The same where moments are in codes: a rank's scales then fill what buffers are aligned to, 256 bytes.
constexpr int64_t codedBucketAlignment = 64 * model::momentBlock;

/// Trained parameters of one kind: of the same types, gradients' and moments' included, and the same update. Their
/// masters, gradients, moments and working copies are five flat variables with the members at the same offsets.
///
/// For example a layer that is trained whole in BF16_MIXED, with q, k, v of [64, 64] that one linear reads and a norm
/// of [64], where weight decay is on matrices alone. Two buckets, since an update's attributes are a bucket's; element
/// offsets, the same in all five variables of a bucket:
///
///                 bucket0.parameter  .gradient  .exp_avg  .exp_avg_sq   f32    .copy   bf16
///   q      0      v   8192           a multiple of 64 for each member
///   k   4096      end 12288          a multiple of 1024 for the whole
///                 bucket1.parameter …
///   norm   0      end 1024           64 elements, and 960 zeros that stay zeros
///
/// The linear reads the copies: q at element 0 of bucket0.copy, k at 4096, v at 8192, each directly above the next, so
/// that one GEMM reads 192 rows. The norm reads bucket1.copy in the same way. What lies between members is zero: the
/// norm of all gradients adds it, and the update keeps it so.
///
/// Where an update rounds stochastically, its random bits go by the number of a row (bucketAlignment elements) among
/// those of all trained parameters, and so must not depend on where buckets are cut. Groups then start at whole rows,
/// rows are numbered kind by kind in the order of variables, and a bucket is a run of them: in the example above, if
/// moments were bf16 and a cut fell behind the first layer of three, the buckets of matrices would begin at rows 0 and
/// 12, that of norms at 36.
///
/// Where moments are in codes, blocks of momentBlock elements have a scale. Members then start at whole blocks, of
/// which a bucket has as many for each rank, so that no block is of two members or of two ranks.
///
/// On the host lie a bucket's parameters and moments. What segments read of it is on the device: the copies, and of
/// parameters that are read as they are stored (norms, embeddings, and in FP32_TRUE all) a mirror. Its gradient is
/// there too, if it does not leave.
struct Bucket {
  struct Member {
    model::VariableOp parameter, gradient, expAvg, expAvgSq; ///< null where absent
    model::VariableOp copy; ///< the working copy; null where absent, in a border, or the parameter itself
    int64_t offset = 0;     ///< elements
    int64_t pitch = 0;      ///< elements from row to row; 0: dense
    model::VariableOp mirror = {}, remainder = {}, expAvgScales = {}, expAvgSqScales = {}; ///< null where absent
  };
  /// What lies in the border of members (Borders.h): it is no part of the bucket, but put into it where that is read.
  struct Inserted {
    model::VariableOp variable;
    int64_t offset, pitch; ///< elements
  };
  llvm::SmallVector<Member> members;
  llvm::SmallVector<Inserted> inserted; ///< those of one kind and group are neighbours
  int64_t elements = 0;
  bool host = false;
  bool gradientLeaves = false; ///< lies on the host as well
  int64_t firstRow = -1;       ///< the number of its first row, where its update rounds; else −1
};

/// The buckets of a training module in the order of its variables; parameters that one linear reads together, or whose
/// working copies it does, are neighbours. A bucket divides into equal parts for all ranks; what is exchanged of it
/// (gradients, or frozen weights) is at most LayoutOptions' mostExchangedBytes, if it is more than one parameter's or
/// one group's, and where parameters are gathered, all of one block of the model. On the host are the last buckets, as
/// few as make the fraction that options ask for: a forward pass needs them last. `liesElsewhere`: working copies that
/// have a place outside of buckets. `bordered`: frozen weights that lie in buckets as in these groups.
llvm::SmallVector<Bucket> formBuckets(mlir::ModuleOp module, const LayoutOptions &options,
                                      llvm::function_ref<bool(model::VariableOp)> liesElsewhere,
                                      llvm::ArrayRef<BorderedGroup> bordered);

} // namespace ft
