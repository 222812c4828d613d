// What a recipe says about how a model is trained. Filled by the pipeline; nothing behind compiler/Model asks for it.
#pragma once

#include "compiler/Model/RecomputePolicy.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ft {

/// The precision modes (docs/numerics.md). Fp64True is for proofs on the CPU.
enum class Precision { Fp64True, Fp32True, Bf16True, Bf16Mixed, Fp16Mixed };

/// PEFT's LoraConfig.
struct LoraOptions {
  int64_t r = 8;                                           ///< rank, at least 1
  double alpha = 8;                                        ///< lora_alpha: the scale is alpha / r
  double dropout = 0;                                      ///< in [0, 1)
  std::vector<std::string> targets = {"q_proj", "v_proj"}; ///< last parts of module names, or "all-linear"
};

/// A base in few bits.
struct QuantizationOptions {
  enum class Form { Nf4, Fp8 };
  bool doubleQuant = false;         ///< of Nf4: scales are quantised as well
  std::vector<std::string> leftOut; ///< modules that stay as they are: names, their last parts, or those around them
  Form form = Form::Nf4;
};

struct OptimizerOptions {
  enum class Kind { AdamW, Sgd, Lion };
  /// What moments are stored in: Bf16 of full weights alone, Codes (8 bits) not of SGD.
  enum class Moments { F32, Bf16, Codes };
  Kind kind = Kind::AdamW;
  double beta1 = 0.9; ///< AdamW's and Lion's, as beta2
  double beta2 = 0.999;
  double epsilon = 1e-8; ///< AdamW's
  double weightDecay = 0;
  double momentum = 0; ///< SGD's; 0: no buffer
  Moments moments = Moments::F32;
  bool splitMasters = false; ///< masters of full weights as bf16 and remainder, where products alone read them
  bool decayNorms = false;   ///< decay tensors of rank 1 as well
  double maxGradNorm = 1;    ///< 0: no clipping
};

/// Tokens with a target that a micro-batch has at most, on all ranks together, where it is computed for these alone; 0:
/// no micro-batch is.
struct TargetBounds {
  int64_t training = 0, evaluation = 0;
};

struct ModelOptions {
  Precision precision = Precision::Fp32True;
  bool bf16Gradients = false; ///< of BF16_MIXED: what one micro-batch gives full weights is rounded to bf16
  bool copyAdapters = false;  ///< GEMMs read a working copy of every adapter, of its own type where that is the GEMMs'
  std::optional<LoraOptions> lora; ///< absent: every parameter is trained
  std::optional<QuantizationOptions> quantization;
  OptimizerOptions optimizer;
  RecomputePolicy recompute;
  TargetBounds targetBounds;
  int64_t accumulationSteps = 1; ///< micro-batches per step, at least 1
};

} // namespace ft
