// A real plan whose optimizer is on the host, with one fault planted that a compiler could make: the verifier says
// which step reads what is not there, or the checks say what lies in the wrong memory.
#include "compiler/Pipeline/Pipeline.h"

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Plan/StepOperands.h"
#include "runtime/Plan/Verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

using namespace ft;

namespace {

using Change = std::function<void(plan::Plan &)>;

class OffloadFaults : public testing::Test {
protected:
  static void SetUpTestSuite() {
    compile(2, compilation);
    compile(1, leaving);
    ASSERT_TRUE(compilation && leaving);
    const rt::Status code = generateCode(*compilation, "");
    ASSERT_TRUE(code.ok()) << code.message();
  }
  static void TearDownTestSuite() {
    delete std::exchange(compilation, nullptr);
    delete std::exchange(leaving, nullptr);
  }

  /// With so many micro-batches a step.
  static void compile(int steps, Compilation *&result) {
    CompileRequest request;
    request.recipePath = "recipes/tiny_llama_cpu.textproto";
    request.recipesFolder = "recipes";
    request.overrides = {"precision=BF16_MIXED", "offload_optimizer.device=CPU", "offload_optimizer.fraction=1",
                         "gradient_accumulation_steps=" + std::to_string(steps)};
    request.gradients = "leave";
    auto inputs = loadInputs(request);
    ASSERT_TRUE(inputs.ok()) << inputs.status().message();
    auto compiled = planFrom(*inputs, choose(*inputs));
    ASSERT_TRUE(compiled.ok()) << compiled.status().message();
    result = new Compilation(std::move(*compiled));
  }

  static rt::Status check(const plan::Plan &plan) {
    std::vector<rt::Section> sections{{rt::SectionKind::Plan, {}}};
    for (size_t i = 0; i < compilation->sections.bytes.size(); ++i)
      sections.push_back({compilation->sections.kinds[i], std::as_bytes(std::span(compilation->sections.bytes[i]))});
    return rt::checkPlan(plan, sections);
  }
  static void expect(rt::Status (*judge)(const plan::Plan &), const std::string &part, const Change &change,
                     const Compilation *of = compilation) {
    plan::Plan plan = of->plan;
    ASSERT_TRUE(judge(plan).ok()) << judge(plan).message();
    change(plan);
    const rt::Status status = judge(plan);
    EXPECT_NE(status.message().find(part), std::string::npos) << "wanted: " << part << "\n   got: " << status.message();
  }
  static void expectRefused(const std::string &part, const Change &change) { expect(rt::verifyPlan, part, change); }
  /// The same of a plan whose gradients leave.
  static void expectLeavingRefused(const std::string &part, const Change &change) {
    expect(rt::verifyPlan, part, change, leaving);
  }
  static void expectBad(const std::string &part, const Change &change) { expect(check, part, change); }

  static plan::Segment &segment(plan::Plan &plan, plan::Segment::Kind kind = plan::Segment::FINISH_FIRST) {
    for (plan::Segment &segment : *plan.mutable_segments())
      if (segment.kind() == kind)
        return segment;
    ADD_FAILURE() << "no " << plan::Segment::Kind_Name(kind);
    return *plan.add_segments();
  }
  static plan::Arena::Space spaceOf(const plan::Plan &plan, const plan::Operand &operand) {
    return plan.arenas(int(plan.buffers(int(operand.buffer())).arena())).space();
  }
  static bool goesToHost(const plan::Plan &plan, const plan::Step &step) {
    return step.has_copy() && spaceOf(plan, step.copy().dst()) == plan::Arena::PINNED;
  }
  static bool comesBack(const plan::Plan &plan, const plan::Step &step) {
    return step.has_copy() && spaceOf(plan, step.copy().src()) == plan::Arena::PINNED;
  }
  /// The first step of the segment of which `is` says so, at least so many bytes of it.
  template <typename Is>
  static plan::Step &find(plan::Plan &plan, Is is, plan::Segment::Kind kind = plan::Segment::FINISH_FIRST) {
    for (plan::Step &step : *segment(plan, kind).mutable_steps())
      if (is(plan, step) && (!step.has_copy() || step.copy().src().row_bytes() > 64))
        return step;
    ADD_FAILURE() << "no such step";
    return *segment(plan, kind).add_steps();
  }
  static void insertBehind(plan::Segment &segment, const plan::Step &before, const plan::Step &step) {
    int place = 0;
    while (&segment.steps(place) != &before)
      ++place;
    *segment.add_steps() = step;
    for (int i = segment.steps_size() - 1; i > place + 1; --i)
      segment.mutable_steps()->SwapElements(i, i - 1);
  }
  /// A step on stream 0 that overwrites what `operand` reads.
  static plan::Step clearing(const plan::Operand &operand) {
    plan::Step clear;
    clear.set_name("clear");
    *clear.mutable_memset()->mutable_dst() = operand;
    clear.mutable_memset()->mutable_dst()->set_write(operand.read());
    clear.mutable_memset()->mutable_dst()->set_read(0);
    return clear;
  }
  static void forget(plan::Segment &segment, uint32_t event) {
    for (plan::Step &step : *segment.mutable_steps())
      step.mutable_wait()->erase(std::remove(step.mutable_wait()->begin(), step.mutable_wait()->end(), event),
                                 step.mutable_wait()->end());
  }
  static plan::Step &hostLaunch(plan::Plan &plan) {
    return find(plan, [](const plan::Plan &, const plan::Step &step) { return step.has_host_launch(); });
  }
  /// The launch of the host that reads a gradient, and that operand.
  static plan::Operand &gradientOf(plan::Plan &plan, plan::Segment::Kind kind) {
    for (plan::Step &step : *segment(plan, kind).mutable_steps())
      if (step.has_host_launch())
        for (plan::Operand &operand : *step.mutable_host_launch()->mutable_operands())
          if (isGradient(plan, operand))
            return operand;
    ADD_FAILURE() << "no update of a gradient";
    return *segment(plan, kind).add_steps()->mutable_host_launch()->add_operands();
  }
  static bool isGradient(const plan::Plan &plan, const plan::Operand &operand) {
    return plan.buffers(int(operand.buffer())).class_() == plan::Buffer::GRADIENT;
  }
  static bool leaves(const plan::Plan &plan, const plan::Step &step) {
    return goesToHost(plan, step) && isGradient(plan, step.copy().dst());
  }
  static Compilation *compilation, *leaving;
};

Compilation *OffloadFaults::compilation = nullptr, *OffloadFaults::leaving = nullptr;

TEST_F(OffloadFaults, AnUpdateBeforeItsGradientHasArrived) {
  // As if it waited for what the gradient's copy waits for.
  expectRefused("must order them", [](plan::Plan &p) { *hostLaunch(p).mutable_wait() = find(p, goesToHost).wait(); });
}

TEST_F(OffloadFaults, AGradientThatIsNotSent) {
  expectRefused("hold no value", [](plan::Plan &p) {
    plan::Step &sent = find(p, goesToHost);
    std::swap(*sent.mutable_copy()->mutable_src(), *sent.mutable_copy()->mutable_dst());
    sent.mutable_copy()->mutable_src()->set_write(0), sent.mutable_copy()->mutable_src()->set_read(1);
    sent.mutable_copy()->mutable_dst()->set_read(0), sent.mutable_copy()->mutable_dst()->set_write(1);
  });
}

TEST_F(OffloadFaults, WeightsThatComeBackBeforeTheUpdate) {
  expectRefused("must order them",
                [](plan::Plan &p) { *find(p, comesBack).mutable_wait() = find(p, goesToHost).wait(); });
}

TEST_F(OffloadFaults, WeightsThatDoNotComeBack) {
  expectRefused("and renamed since", [](plan::Plan &p) {
    plan::Step &back = find(p, comesBack);
    plan::Operand nowhere = back.copy().src(); // written back to where it was
    nowhere.set_read(0), nowhere.set_write(1 << 30);
    *back.mutable_memset()->mutable_dst() = nowhere;
  });
}

TEST_F(OffloadFaults, AForwardPassThatDoesNotWaitForItsWeights) {
  expectRefused("must order them", [](plan::Plan &p) {
    const auto isAwaited = [](const plan::Plan &plan, const plan::Step &step) {
      return comesBack(plan, step) && step.record() != 0;
    };
    forget(segment(p), find(p, isAwaited).record());
  });
}

// The last step ends what the others have begun, by what it waits for.
TEST_F(OffloadFaults, WeightsThatNobodyWaitsFor) {
  expectRefused("FINISH", [](plan::Plan &p) {
    const auto isAwaited = [](const plan::Plan &, const plan::Step &step) {
      return step.stream() == 1 && step.record() != 0;
    };
    forget(segment(p, plan::Segment::FINISH), find(p, isAwaited, plan::Segment::FINISH).record());
  });
}

TEST_F(OffloadFaults, AGradientThatIsOverwrittenWhileItLeaves) {
  expectRefused("which reads bytes of buffer \"bucket", [](plan::Plan &p) {
    const plan::Step &sent = find(p, goesToHost);
    insertBehind(segment(p), sent, clearing(sent.copy().src()));
  });
}

//===-- gradients that leave during the backward pass ------------------------------------------------------------===//

constexpr plan::Segment::Kind first[] = {plan::Segment::ACCUMULATE_FIRST, plan::Segment::FINISH_FIRST};

TEST_F(OffloadFaults, AGradientThatDoesNotArrive) {
  for (const plan::Segment::Kind kind : first) // another's bytes do
    expectLeavingRefused("reads version", [=](plan::Plan &p) {
      find(p, leaves, kind).mutable_copy()->mutable_dst()->set_write(1 << 20);
    });
}

TEST_F(OffloadFaults, ASegmentThatEndsBeforeAGradientHasArrived) {
  for (const plan::Segment::Kind kind : first)
    expectLeavingRefused("stream", [=](plan::Plan &p) {
      uint32_t event = 0;
      for (const plan::Step &step : segment(p, kind).steps())
        event = leaves(p, step) && step.record() ? step.record() : event; // of the last
      forget(segment(p, kind), event);
    });
}

TEST_F(OffloadFaults, AnUpdateOfTheGradientThatIsOnItsWay) {
  // As it is where @update has not yet seen it: in front of the norm that it is clipped by.
  expectLeavingRefused("reads version", [](plan::Plan &p) {
    plan::Operand &gradient = gradientOf(p, plan::Segment::FINISH_FIRST);
    gradient.set_read(find(p, leaves).copy().dst().write());
  });
  expectLeavingRefused("reads version", [](plan::Plan &p) { segment(p, plan::Segment::UPDATE).clear_renames(); });
}

TEST_F(OffloadFaults, AGradientThatArrivesBeforeTheLastOneIsUsed) {
  expectLeavingRefused("which reads bytes of buffer \"bucket", [](plan::Plan &p) {
    const plan::Operand gradient = gradientOf(p, plan::Segment::FINISH_FIRST);
    insertBehind(segment(p), hostLaunch(p), clearing(gradient));
  });
}

TEST_F(OffloadFaults, AGradientsBufferThatIsTakenWhileItLeaves) {
  for (const plan::Segment::Kind kind : first)
    expectLeavingRefused("which reads bytes of buffer \"", [=](plan::Plan &p) {
      const plan::Step &sent = find(p, leaves, kind);
      insertBehind(segment(p, kind), sent, clearing(sent.copy().src()));
    });
}

TEST_F(OffloadFaults, AnEvaluationOfWhatIsNotFinished) {
  expectRefused("and renamed since", [](plan::Plan &p) { segment(p, plan::Segment::FINISH).clear_steps(); });
}

TEST_F(OffloadFaults, AnUpdateThatIsFinishedTwice) {
  expectRefused("reads version", [](plan::Plan &p) {
    plan::Step &once = find(
        p, [](const plan::Plan &, const plan::Step &step) { return step.has_host_launch(); }, plan::Segment::FINISH);
    plan::Step again = once;
    again.clear_wait(), again.clear_record();
    insertBehind(segment(p, plan::Segment::FINISH), once, again);
  });
}

TEST_F(OffloadFaults, AnUpdateThatDeclaresNothingStale) {
  expectRefused("reads version", [](plan::Plan &p) { segment(p, plan::Segment::UPDATE).clear_renames(); });
}

TEST_F(OffloadFaults, AHostKernelOverDeviceMemory) {
  expectBad("lies in DEVICE memory", [](plan::Plan &p) {
    *hostLaunch(p).mutable_host_launch()->mutable_operands(1) = find(p, goesToHost).copy().src();
  });
}

TEST_F(OffloadFaults, ADeviceKernelOverHostMemory) {
  expectBad("memory (buffer \"bucket", [](plan::Plan &p) {
    plan::Launch launch = hostLaunch(p).host_launch();
    *hostLaunch(p).mutable_launch() = launch;
  });
}

TEST_F(OffloadFaults, AMemsetOfHostMemory) {
  expectBad("lies in PINNED memory", [](plan::Plan &p) {
    plan::Step &sent = find(p, goesToHost);
    const plan::Operand dst = sent.copy().dst();
    *sent.mutable_memset()->mutable_dst() = dst;
  });
}

TEST_F(OffloadFaults, KernelsOfTheWrongProcessor) {
  expectBad("is for the device's processors", [](plan::Plan &p) {
    for (plan::Kernel &kernel : *p.mutable_kernels())
      kernel.set_host(false);
    for (plan::Image &image : *p.mutable_images())
      if (image.host())
        image.set_host(false), image.clear_entry_offsets(), image.mutable_entry_offsets()->Resize(p.kernels_size(), 0);
    for (plan::Image &image : *p.mutable_images())
      image.mutable_entry_offsets()->Resize(p.kernels_size(), 0);
  });
  expectBad("no image is for the host's arch", [](plan::Plan &p) {
    for (plan::Image &image : *p.mutable_images())
      if (image.host() && image.arch() == plan::hostArch)
        image.set_arch("x86-64-v4");
  });
  expectBad("entry_offsets; must have", [](plan::Plan &p) {
    for (plan::Image &image : *p.mutable_images())
      if (image.host())
        image.add_entry_offsets(0);
  });
}

TEST_F(OffloadFaults, PageableMemoryDoesNotTravel) {
  expectBad("lies in HOST memory", [](plan::Plan &p) {
    for (plan::Arena &arena : *p.mutable_arenas())
      if (arena.name() == "host_masters" || arena.name() == "host_transfers")
        arena.set_space(plan::Arena::HOST);
  });
}

} // namespace
