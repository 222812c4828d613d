#include "compiler/Layout/Passes.h"

#include "compiler/Layout/Layout.h"

namespace ft {

#define GEN_PASS_DEF_LAYOUTPASS
#define GEN_PASS_REGISTRATION
#include "compiler/Layout/LayoutPasses.h.inc"

namespace {
struct LayOutPass : impl::LayOutPassBase<LayOutPass> {
  using LayOutPassBase::LayOutPassBase;
  void runOnOperation() override {
    LayoutOptions options;
    options.foldAdapters = fold;
    options.hostFraction = host;
    options.gradientsLeave = leave;
    options.ranks = ranks;
    options.splitParameters = split;
    if (failed(layOut(getOperation(), options)))
      signalPassFailure();
  }
};
} // namespace

void registerLayoutPasses() { registerLayoutPassesPasses(); }

} // namespace ft
