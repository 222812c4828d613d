#include "runtime/Training/RunSettings.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

TEST(RunSettings, SetsFieldsOfEveryType) {
  plan::Run run;
  for (const char *assignment :
       {"learning_rate=2.5e-4", "seed=7", "train_on_prompt=true", "lr_scheduler_type=COSINE", "data.train=a=b.jsonl",
        "generate.max_new_tokens=0", "warmup_ratio=0.03", "template=chatml", "system_prompt=Be brief."}) {
    Status status = applySetting(run, assignment);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  EXPECT_DOUBLE_EQ(run.learning_rate(), 2.5e-4);
  EXPECT_EQ(run.seed(), 7u);
  EXPECT_TRUE(run.train_on_prompt());
  EXPECT_EQ(run.lr_scheduler_type(), "cosine");
  ASSERT_EQ(run.data_train_size(), 1);
  EXPECT_EQ(run.data_train(0), "a=b.jsonl");
  EXPECT_EQ(run.template_(), "chatml");
  EXPECT_DOUBLE_EQ(run.warmup_ratio(), 0.03);
  EXPECT_EQ(run.system_prompt(), "Be brief.");
}

TEST(RunSettings, RefusesWithNameValueAndRange) {
  plan::Run run;
  run.set_learning_rate(1);
  const std::pair<const char *, const char *> cases[] = {
      {"learning_rate", "--set learning_rate: must be name=value"},
      {"learning_rate=-1", "--set learning_rate: is \"-1\"; must be a number in (0, 10]"},
      {"learning_rate=1e-3x", "--set learning_rate: is \"1e-3x\"; must be a number in (0, 10]"},
      {"learning_rate=0", "--set learning_rate: is \"0\"; must be a number in (0, 10]"},
      {"learning_rate=nan", "--set learning_rate: is \"nan\"; must be a number in (0, 10]"},
      {"num_epochs=1e300", "--set num_epochs: is \"1e300\"; must be a number in (0, 10000]"},
      {"val_set_size=3", "--set val_set_size: is \"3\"; must be a number in [0, 0.5]"},
      {"max_steps=-1", "--set max_steps: is \"-1\"; must be an integer in [0, 1000000000]"},
      {"generate.max_new_tokens=65537",
       "--set generate.max_new_tokens: is \"65537\"; must be an integer in [0, 65536]"},
      {"warmup_ratio=1.5", "--set warmup_ratio: is \"1.5\"; must be a number in [0, 1]"},
      {"logging_steps=0", "--set logging_steps: is \"0\"; must be an integer in [1, 1000000000]"},
      {"train_on_prompt=yes", "--set train_on_prompt: is \"yes\"; must be true or false"},
      {"lr_scheduler_type=step", "--set lr_scheduler_type: is \"step\"; must be constant or linear or cosine"},
      {"data.train=", "--set data.train: is \"\"; must be a path, or synthetic:SEED"},
      {"output_dir=", "--set output_dir: is \"\"; must be a path"},
      {"template_variables=a", "--set template_variables: is \"a\"; must be NAME=VALUE"},
      {"system_prompt=\xff", "--set system_prompt: is \"\\xff\"; must be text in UTF-8"},
      {"seed=a\nb", "--set seed: is \"a\\x0ab\"; must be an integer in [0, 18446744073709551615]"},
      {"learning_rat=1", "--set learning_rat: no run-time field of this name; did you mean \"learning_rate\"?; what a "
                         "plan fixes is changed by ftc compile --set"},
      {"adam_beta1=0.8",
       "--set adam_beta1: no run-time field of this name; what a plan fixes is changed by ftc compile "
       "--set"},
  };
  for (const auto &[assignment, message] : cases) {
    Status status = applySetting(run, assignment);
    EXPECT_EQ(status.code(), Code::BadInput);
    EXPECT_EQ(status.message(), message);
  }
  EXPECT_DOUBLE_EQ(run.learning_rate(), 1);
}
