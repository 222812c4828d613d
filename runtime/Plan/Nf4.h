// NF4, the format of bitsandbytes: what a code stands for, and how the parts of a quantised tensor lie in its buffer
// (plan.proto, Quantization). The compiler asks the same functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace ft::plan {

/// Of Plan.features: there are tensors with a Quantization.
inline constexpr std::string_view quantizedFeature = "quantized";

/// Elements of a block, which has one scale; scales of a block of scales; values that a quantised scale stands for.
inline constexpr uint64_t nf4Block = 64, nf4NestedBlock = 256, nf4NestedValues = 256;

/// The value of each code: quantiles of a normal distribution, zero and both ends of [−1, 1] among them.
inline constexpr float nf4Values[16] = {-1.0f,
                                        -0.6961928009986877f,
                                        -0.5250730514526367f,
                                        -0.39491748809814453f,
                                        -0.28444138169288635f,
                                        -0.18477343022823334f,
                                        -0.09105003625154495f,
                                        0.0f,
                                        0.07958029955625534f,
                                        0.16093020141124725f,
                                        0.24611230194568634f,
                                        0.33791524171829224f,
                                        0.44070982933044434f,
                                        0.5626170039176941f,
                                        0.7229568362236023f,
                                        1.0f};

/// Where the parts begin, in bytes from the first code on. Codes of the last block that no element has are 0.
struct Nf4Layout {
  uint64_t blocks = 0, nestedBlocks = 0;
  uint64_t scales = 0;       ///< f32 [blocks], or u8 where they are quantised as well
  uint64_t nestedScales = 0; ///< f32 [nestedBlocks]
  uint64_t nestedValues = 0; ///< f32 [256]
  uint64_t mean = 0;         ///< f32 [1]
  uint64_t bytes = 0;        ///< of all of them

  Nf4Layout(uint64_t elements, bool doubleQuant)
      : blocks((elements + nf4Block - 1) / nf4Block),
        nestedBlocks(doubleQuant ? (blocks + nf4NestedBlock - 1) / nf4NestedBlock : 0) {
    uint64_t end = 0;
    auto place = [&end](uint64_t size) {
      const uint64_t begin = (end + 15) / 16 * 16;
      end = begin + size;
      return begin;
    };
    place(blocks * nf4Block / 2);
    scales = place(blocks * (doubleQuant ? 1 : sizeof(float)));
    if (doubleQuant) {
      nestedScales = place(nestedBlocks * sizeof(float));
      nestedValues = place(nf4NestedValues * sizeof(float));
      mean = place(sizeof(float));
    }
    bytes = end;
  }
};

} // namespace ft::plan
