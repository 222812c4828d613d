// The CUDA driver's functions, found at run time: no program of ftc links libcuda.
#pragma once

#include "runtime/Device/Cuda/DynamicLibrary.h"

#include <cuda.h>

#include <string>

namespace ft::rt {

// member, symbol. Symbols carry the version suffix that their header's type has; cuEventElapsedTime is asked for
// without one, because drivers before 12.8 lack its _v2, which has the same signature.
#define FT_DRIVER_FUNCTIONS(X)                                                                                         \
  X(init, cuInit)                                                                                                      \
  X(driverGetVersion, cuDriverGetVersion)                                                                              \
  X(getErrorName, cuGetErrorName)                                                                                      \
  X(getErrorString, cuGetErrorString)                                                                                  \
  X(deviceGetCount, cuDeviceGetCount)                                                                                  \
  X(deviceGet, cuDeviceGet)                                                                                            \
  X(deviceGetName, cuDeviceGetName)                                                                                    \
  X(deviceTotalMem, cuDeviceTotalMem_v2)                                                                               \
  X(deviceGetAttribute, cuDeviceGetAttribute)                                                                          \
  X(primaryCtxRetain, cuDevicePrimaryCtxRetain)                                                                        \
  X(primaryCtxRelease, cuDevicePrimaryCtxRelease_v2)                                                                   \
  X(ctxSetCurrent, cuCtxSetCurrent)                                                                                    \
  X(ctxSynchronize, cuCtxSynchronize)                                                                                  \
  X(ctxEnablePeerAccess, cuCtxEnablePeerAccess)                                                                        \
  X(deviceCanAccessPeer, cuDeviceCanAccessPeer)                                                                        \
  X(memGetInfo, cuMemGetInfo_v2)                                                                                       \
  X(memAlloc, cuMemAlloc_v2)                                                                                           \
  X(memFree, cuMemFree_v2)                                                                                             \
  X(memHostAlloc, cuMemHostAlloc)                                                                                      \
  X(memFreeHost, cuMemFreeHost)                                                                                        \
  X(memsetD8, cuMemsetD8_v2)                                                                                           \
  X(memsetD8Async, cuMemsetD8Async)                                                                                    \
  X(memsetD2D8Async, cuMemsetD2D8Async)                                                                                \
  X(memcpyAsync, cuMemcpyAsync)                                                                                        \
  X(memcpy2DAsync, cuMemcpy2DAsync_v2)                                                                                 \
  X(memcpy3DAsync, cuMemcpy3DAsync_v2)                                                                                 \
  X(streamCreate, cuStreamCreate)                                                                                      \
  X(streamDestroy, cuStreamDestroy_v2)                                                                                 \
  X(streamWaitEvent, cuStreamWaitEvent)                                                                                \
  X(streamSynchronize, cuStreamSynchronize)                                                                            \
  X(streamWriteValue32, cuStreamWriteValue32_v2)                                                                       \
  X(streamBeginCapture, cuStreamBeginCapture_v2)                                                                       \
  X(streamEndCapture, cuStreamEndCapture)                                                                              \
  X(eventCreate, cuEventCreate)                                                                                        \
  X(eventDestroy, cuEventDestroy_v2)                                                                                   \
  X(eventRecord, cuEventRecord)                                                                                        \
  X(eventRecordWithFlags, cuEventRecordWithFlags)                                                                      \
  X(eventSynchronize, cuEventSynchronize)                                                                              \
  X(eventElapsedTime, cuEventElapsedTime)                                                                              \
  X(moduleLoadDataEx, cuModuleLoadDataEx)                                                                              \
  X(moduleUnload, cuModuleUnload)                                                                                      \
  X(moduleGetFunction, cuModuleGetFunction)                                                                            \
  X(funcSetAttribute, cuFuncSetAttribute)                                                                              \
  X(launchKernel, cuLaunchKernel)                                                                                      \
  X(launchHostFunc, cuLaunchHostFunc)                                                                                  \
  X(graphInstantiate, cuGraphInstantiateWithFlags)                                                                     \
  X(graphUpload, cuGraphUpload)                                                                                        \
  X(graphLaunch, cuGraphLaunch)                                                                                        \
  X(graphExecDestroy, cuGraphExecDestroy)                                                                              \
  X(graphDestroy, cuGraphDestroy)

/// The table, complete or absent. Every call's result goes through check().
struct DriverApi {
#define FT_DECLARE(member, symbol) decltype(&::symbol) member = nullptr;
  FT_DRIVER_FUNCTIONS(FT_DECLARE)
#undef FT_DECLARE

  int version = 0; ///< 13000: CUDA 13.0
  DynamicLibrary library;

  /// Opens `name`, fills the table and initialises the driver. CannotRun: no driver, a driver too old, no device.
  static Expected<DriverApi> load(const std::string &name = "libcuda.so.1");

  /// `result` as a Status; `what` says what was being done, on what. Out of memory, no device and an unsupported image
  /// are CannotRun, the rest Failed.
  Status check(CUresult result, const std::string &what) const;
};

} // namespace ft::rt
