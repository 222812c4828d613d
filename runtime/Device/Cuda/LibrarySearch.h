// Where the CUDA libraries that are not part of the driver are looked for.
#pragma once

#include "runtime/Support/Status.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ft::rt {

/// One library: its file names, best first, and the places that only it has.
struct LibrarySpec {
  std::string title;                     ///< "cuDNN"
  std::vector<std::string> files;        ///< {"libcudnn.so.9"}
  std::string variable;                  ///< "FTC_CUDNN_DIR": the only place searched where it is set
  std::vector<std::string> wheelFolders; ///< under site-packages: {"nvidia/cudnn/lib"}
  std::string advice;                    ///< "pip install nvidia-cudnn-cu13"
};

/// What of the machine and of the process decides the search; tests make their own.
struct SearchPlaces {
  std::map<std::string, std::string> variables; ///< the environment variables named in searchVariables()
  std::filesystem::path binaryFolder;
  std::vector<std::filesystem::path> systemFolders;
};

/// This process's places.
SearchPlaces processPlaces();

/// The folders in the order of the search: the variable, beside the binary, Python wheels (VIRTUAL_ENV, PYTHONPATH,
/// CONDA_PREFIX, python3 in PATH), CUDA_HOME and CUDA_PATH, LD_LIBRARY_PATH, the system's. May name folders that do
/// not exist.
std::vector<std::filesystem::path> searchFolders(const LibrarySpec &spec, const SearchPlaces &places);

/// Absolute path of the first file of `spec` in the first folder that has one. CannotRun names the library, what was
/// searched and the way out.
Expected<std::filesystem::path> findLibrary(const LibrarySpec &spec, const SearchPlaces &places);

} // namespace ft::rt
