// What Planning must know of the target and of the recipe: bytes, rates and forms, no model.
#pragma once

#include <cstdint>

namespace ft {

/// The buffers that a stream's library calls share.
inline constexpr char gemmWorkspace[] = "gemm.workspace", attentionWorkspace[] = "attention.workspace";

/// The arenas in the host's memory: parameters, their moments, gradients that have left, and values on their way to an
/// update or from it.
inline constexpr char hostMasters[] = "host_masters", hostMoments[] = "host_moments",
                      hostGradients[] = "host_gradients", hostTransfers[] = "host_transfers";

struct PlanningOptions {
  bool libraryAttention = false; ///< attention by the library; else tiled
  bool raggedAttention = false;  ///< documents by offsets; else every row is one document
  bool deterministic = false;    ///< ask the library for deterministic engines
  bool foldAdapters = false;     ///< adapters' working copies in borders of their base weights
  bool allowTf32 = false;
  bool peersRead = false;         ///< ranks read each other's memory, and reduce with kernels of the plan
  bool pinMoments = true;         ///< moments on the host lie in page-locked memory
  int64_t gemmWorkspaceBytes = 0; ///< one buffer, shared by all GEMMs of the stream
  int64_t attentionWorkspaceBytes = 0;
  int64_t headChunkTokens = 256;   ///< tokens of logits that live at once
  int64_t attentionTileRows = 128; ///< query rows of a score tile
  int64_t rows = 0;                ///< of a rank's micro-batch
  int64_t maxDocuments = 0;        ///< of a rank's micro-batch
  int64_t maxDocumentLen = 0;
};

} // namespace ft
