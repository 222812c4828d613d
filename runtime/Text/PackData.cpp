// pack-data PLAN MODEL DATA OUT: what `ftc data` does with a plan that is compiled already, for measurements on
// machines that have no MLIR (reports/text.py). DATA stands in place of the recipe's training data; the report goes to
// stdout.

#include "runtime/Plan/PlanFile.h"
#include "runtime/Text/DataCommand.h"

#include <iostream>

using namespace ft::rt;

int main(int argc, char **argv) {
  if (argc != 5) {
    std::cerr << "usage: pack-data PLAN MODEL DATA OUT\n";
    return 1;
  }
  auto plan = readPlanFile(argv[1]);
  if (!plan) {
    std::cerr << plan.status().message() << "\n";
    return int(plan.status().code());
  }
  DataCommand command;
  command.run = plan->plan.run();
  command.run.mutable_data_train()->Clear();
  command.run.add_data_train(argv[3]);
  command.run.clear_data_eval();
  command.batch = plan->plan.batch();
  command.modelPath = argv[2];
  command.outputFile = argv[4];
  std::string report;
  const Status status = runDataCommand(command, report);
  std::cout << report;
  std::cerr << status.message();
  return int(status.code());
}
