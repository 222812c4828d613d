#include "runtime/Text/DataCommand.h"

#include "runtime/Text/DataReport.h"
#include "runtime/Text/TargetReport.h"

namespace ft::rt {

namespace {
Expected<PreparedData> prepareAndReport(DataRequest request, const TextCodec &codec, std::string_view title,
                                        WorkProgress *progress, std::string &output) {
  request.progress = progress;
  FT_ASSIGN_OR_RETURN(PreparedData data, preparedData(request, &codec));
  output += formatReport(dataReport(*data.file, &codec.tokenizer()), title);
  for (const std::string &note : data.notes)
    output += "  " + note + "\n";
  return data;
}
} // namespace

Status runDataCommand(const DataCommand &command, std::string &output) {
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(command.batch));
  DataRequest train = DataRequest::train(command.run, shape, command.baseFolder, "");
  if (train.synthetic())
    return badInput("data.train is \"" + train.sources[0] +
                    "\": synthetic data is made by ftrun, there is nothing to prepare");
  if (command.modelPath.empty())
    return badInput("ftc data needs --model PATH: a GGUF file, or a folder with tokenizer.json");
  FT_ASSIGN_OR_RETURN(const TextCodec codec,
                      TextCodec::load(command.modelPath, TextOptions::from(command.run, command.baseFolder)));
  train.outputFile = command.outputFile;
  FT_ASSIGN_OR_RETURN(const PreparedData trained,
                      prepareAndReport(train, codec, "training data", command.progress, output));
  output += formatTargets(trainingTargets(*trained.file, shape, command.batch, command.run, command.world),
                          "max_target_tokens");
  if (!hasEvaluation(command.run))
    return {};
  FT_ASSIGN_OR_RETURN(const PreparedData held,
                      prepareAndReport(DataRequest::evaluation(command.run, shape, command.baseFolder, ""), codec,
                                       "held-out data", command.progress, output));
  output += formatTargets(evaluationTargets(*held.file, shape, command.batch, command.world), "max_eval_target_tokens");
  return {};
}

} // namespace ft::rt
