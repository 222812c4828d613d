// The blob linker refuses what would need a loader. Objects come from LLVM IR, through our own emitter.
#include "compiler/Codegen/LinkBlob.h"
#include "compiler/Codegen/EmitCode.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Target/TargetMachine.h"

#include <gtest/gtest.h>

namespace ft {
namespace {

std::string objectOf(const char *text) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  auto module = llvm::parseAssemblyString(text, diagnostic, context);
  auto machine = openTargetMachine("x86-64-v3");
  if (!module || !machine)
    return "";
  optimize(*module, **machine);
  auto object = emitCode(*module, **machine, CodeFormat::Object);
  return object ? *object : "";
}

std::string refusal(const std::string &object) {
  auto blob = linkBlob(object, {"f"});
  return blob ? "accepted" : llvm::toString(blob.takeError());
}

TEST(LinkBlob, FindsEntriesAndResolvesConstants) {
  auto blob =
      linkBlob(objectOf("define double @g() { ret double 3.5 } define double @f() { ret double 2.5 }"), {"f", "g"});
  ASSERT_TRUE(bool(blob)) << llvm::toString(blob.takeError());
  ASSERT_EQ(blob->entries.size(), 2u);
  EXPECT_NE(blob->entries[0], blob->entries[1]);
  EXPECT_LT(blob->entries[0], blob->bytes.size());
}

TEST(LinkBlob, RefusesCalls) {
  EXPECT_EQ(refusal(objectOf("declare double @exp(double) define double @f(double %x) {"
                             " %y = call double @exp(double %x) ret double %y }")),
            "kernel blob: undefined symbol 'exp': kernels may call nothing");
}

TEST(LinkBlob, RefusesWritableData) {
  EXPECT_EQ(refusal(objectOf("@n = global i32 7 define i32 @f() {"
                             " %y = load i32, ptr @n store i32 1, ptr @n ret i32 %y }")),
            "kernel blob: writable section '.data'");
}

TEST(LinkBlob, RefusesAbsoluteAddresses) {
  EXPECT_EQ(refusal(objectOf("@t = constant [2 x ptr] [ptr @f, ptr null] define ptr @f(i64 %i) {"
                             " %p = getelementptr ptr, ptr @t, i64 %i %y = load ptr, ptr %p ret ptr %y }")),
            "kernel blob: writable section '.data.rel.ro'");
}

TEST(LinkBlob, NamesTheMissingEntry) {
  EXPECT_EQ(refusal(objectOf("define double @g() { ret double 3.5 }")), "kernel blob: no function 'f'");
}

TEST(LinkBlob, RefusesOtherFiles) {
  auto blob = linkBlob("not an object file", {"f"});
  ASSERT_FALSE(bool(blob));
  EXPECT_FALSE(llvm::toString(blob.takeError()).empty());
}

} // namespace
} // namespace ft
