// Which files a run's data is.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Text/Samples.h"

namespace ft::rt {

/// The first place where a path leads to something: relative to `baseFolder`, then to the working folder; empty where
/// it is nowhere.
std::string findData(const std::string &source, const std::string &baseFolder);

struct DataFiles {
  std::vector<std::string> paths;
  std::vector<std::string> notes; ///< what of a folder is left out
};

/// The files that `sources` name, in their order; of a folder those in it that data can be, by their names' endings and
/// in the order of their names. A missing one is refused with every place tried.
Expected<DataFiles> findDataFiles(const std::vector<std::string> &sources, const std::string &baseFolder);

/// Of everything that the samples of these files depend on: of one file under its fields' own names, that file's.
Expected<Sha256Digest> digestOf(const std::vector<std::string> &files, const ColumnNames &columns);
/// The same of files whose digests are known: those of sources that are open.
Sha256Digest digestOf(std::span<const SampleSource> sources, const ColumnNames &columns);

ColumnNames columnsOf(const plan::DataColumns &columns);

/// "a.jsonl", "a.jsonl and 2 more".
std::string nameOf(const std::vector<std::string> &files);
std::string nameOf(std::span<const SampleSource> sources);

} // namespace ft::rt
