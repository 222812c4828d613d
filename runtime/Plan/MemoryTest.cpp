#include "runtime/Plan/Memory.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

namespace {

constexpr uint64_t gib = uint64_t(1) << 30;

plan::Plan plan(plan::Driver driver) {
  plan::Plan plan;
  plan.mutable_target()->set_driver(driver);
  plan.mutable_target()->set_memory(16 * gib);
  plan.mutable_target()->set_outside_arenas(gib / 4);
  auto add = [&](const char *name, plan::Arena::Space space, uint64_t size) {
    plan::Arena *arena = plan.add_arenas();
    arena->set_name(name), arena->set_space(space), arena->set_size(size), arena->set_largest_live(size);
  };
  add("weights", plan::Arena::DEVICE, 3 * gib / 2);
  add("activations", plan::Arena::DEVICE, gib);
  add("staging", plan::Arena::PINNED, 512);
  plan.mutable_arenas(1)->set_largest_live(gib / 2), plan.mutable_arenas(1)->set_transient(true);
  auto hold = [&](uint64_t size, plan::Buffer::Class kind) {
    plan::Buffer *buffer = plan.add_buffers();
    buffer->set_size(size), buffer->set_class_(kind);
  };
  hold(gib, plan::Buffer::WEIGHT);
  hold(gib / 2 - 300, plan::Buffer::WEIGHT);
  hold(1, plan::Buffer::CONSTANT);
  return plan;
}

TEST(Memory, TableAddsUp) {
  const plan::Plan gpu = plan(plan::CUDA);
  EXPECT_EQ(
      memoryTable(gpu),
      "  arena           holds                            bytes         GiB\n"
      "  weights         weights                     1610612480       1.500\n"
      "  weights         constant tables                    256       0.000\n"
      "  activations     transient values            1073741824       1.000   largest live set 536870912 (+100.00 %)\n"
      "  outside         driver, libraries            268435456       0.250   estimate\n"
      "  needs                                       2952790016       2.750\n"
      "  has                                        17179869184      16.000\n"
      "  pinned host memory: 512 bytes\n"
      "  pinned host memory for weights on their way: 1048576 bytes\n");
  EXPECT_EQ(fitOf(gpu).needs(), 1610612480u + 256 + gib + gib / 4);
  EXPECT_EQ(describeArenas(gpu), "weights 1.50 GiB, activations 1.00 GiB, staging 512 B");
}

TEST(Memory, OnAProcessorEveryArenaCounts) {
  EXPECT_EQ(fitOf(plan(plan::CPU)).needs(), fitOf(plan(plan::CUDA)).needs() + 512);
  const std::string table = memoryTable(plan(plan::CPU));
  EXPECT_NE(table.find("  staging         batch records                      512"), std::string::npos) << table;
  EXPECT_NE(table.find("  outside         program, libraries"), std::string::npos) << table;
  EXPECT_EQ(table.find("pinned"), std::string::npos) << table;
}

TEST(Memory, NcclIsCountedWhereNoKernelReduces) {
  plan::Plan several = plan(plan::CUDA);
  EXPECT_FALSE(countsNccl(several)) << "one rank exchanges nothing";
  several.add_segments()->add_steps()->mutable_collective();
  EXPECT_TRUE(countsNccl(several));
  several.mutable_target()->set_driver(plan::CPU);
  EXPECT_FALSE(countsNccl(several));
  several.mutable_target()->set_driver(plan::CUDA);
  several.add_segments()->add_steps()->mutable_collective()->add_kernels(0);
  EXPECT_FALSE(countsNccl(several)) << "GPUs that read each other's memory";
}

TEST(Memory, CheckpointsHaveARowOfTheirOwn) {
  for (const auto &[driver, row] :
       {std::pair(plan::CPU, "  checkpoint      what is being saved                768       0.000\n"),
        {plan::CUDA, "  pinned host memory for checkpoints: 768 bytes\n"}}) {
    plan::Plan saving = plan(driver);
    plan::Arena *room = saving.add_arenas();
    room->set_name("checkpoint"), room->set_space(plan::Arena::PINNED), room->set_size(768);
    EXPECT_EQ(fitOf(saving).needs(), fitOf(plan(driver)).needs() + (driver == plan::CPU ? 768 : 0));
    EXPECT_NE(memoryTable(saving).find(row), std::string::npos) << memoryTable(saving);
  }
}

TEST(Memory, WhatWorksOnTheHostHasRowsAndFitsThereOrNot) {
  plan::Plan gpu = plan(plan::CUDA);
  const uint64_t device = fitOf(gpu).needs();
  gpu.add_mesh()->set_name("dp"), gpu.mutable_mesh(0)->set_size(2);
  for (const char *name : {"host_masters", "host_transfers"}) {
    plan::Arena *arena = gpu.add_arenas();
    arena->set_name(name), arena->set_space(plan::Arena::PINNED), arena->set_size(gib), arena->set_largest_live(gib);
    arena->set_transient(name == std::string("host_transfers"));
    plan::Buffer *buffer = gpu.add_buffers();
    buffer->set_arena(static_cast<uint32_t>(gpu.arenas_size() - 1)), buffer->set_size(gib);
    buffer->set_class_(plan::Buffer::WEIGHT);
  }
  EXPECT_EQ(fitOf(gpu).needs(), device);
  EXPECT_EQ(fitOf(gpu).host, 4 * gib + 2 * (512 + (1 << 20)));
  EXPECT_EQ(describeHostArenas(gpu), "staging 512 B, host_masters 1.00 GiB, host_transfers 1.00 GiB");
  const std::string table = memoryTable(gpu);
  for (const char *row : {"  host_masters    weights                     1073741824       1.000\n",
                          "  host_transfers  transient values            1073741824       1.000   largest live set",
                          "  host needs      for 2 ranks                 4297065472       4.002\n"})
    EXPECT_NE(table.find(row), std::string::npos) << table;
  EXPECT_EQ(table.find("host has"), std::string::npos) << table;
  gpu.mutable_target()->set_host_memory(fitOf(gpu).host);
  EXPECT_TRUE(fitOf(gpu).fits());
  gpu.mutable_target()->set_host_memory(fitOf(gpu).host - 1);
  EXPECT_TRUE(fitOf(gpu).fitsDevice());
  EXPECT_FALSE(fitOf(gpu).fits());
  EXPECT_NE(memoryTable(gpu).find("  host has"), std::string::npos);
}

TEST(Memory, FitsToTheLastByte) {
  plan::Plan gpu = plan(plan::CUDA);
  const uint64_t needs = fitOf(gpu).needs();
  gpu.mutable_target()->set_memory(needs);
  EXPECT_TRUE(fitOf(gpu).fits());
  gpu.mutable_target()->set_memory(needs - 1);
  EXPECT_FALSE(fitOf(gpu).fits());
  gpu.mutable_target()->set_memory(0); // the machine decides
  EXPECT_TRUE(fitOf(gpu).fits());
  EXPECT_EQ(memoryTable(gpu).find("  has "), std::string::npos);
}

TEST(Memory, ABudgetIsTheLeastOfWhatThereIs) {
  plan::Plan gpu = plan(plan::CUDA);
  const uint64_t needs = fitOf(gpu).needs();
  gpu.mutable_target()->set_memory(0);
  gpu.mutable_target()->set_memory_budget(needs - 1);
  EXPECT_FALSE(fitOf(gpu).fits());
  EXPECT_NE(memoryTable(gpu).find("  may have "), std::string::npos) << memoryTable(gpu);
  gpu.mutable_target()->set_memory_budget(needs);
  EXPECT_TRUE(fitOf(gpu).fits());
  gpu.mutable_target()->set_memory(needs - 1);
  EXPECT_FALSE(fitOf(gpu).fits());
  EXPECT_NE(memoryTable(gpu).find("  has "), std::string::npos) << memoryTable(gpu);
}

} // namespace
