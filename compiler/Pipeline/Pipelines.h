#pragma once

namespace ft {

/// Registers with ft-opt, on what --ft-build-model makes, the phases up to each border: --ftc-to-model,
/// --ftc-to-sharded, --ftc-to-kernel and --ftc-to-plan (Phases.h); and the checks at each border: --ftc-check-model,
/// --ftc-check-sharded, --ftc-check-kernel and --ftc-check-plan (PhaseChecks.h).
void registerPipelines();

} // namespace ft
