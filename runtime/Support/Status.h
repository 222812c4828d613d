// Status and Expected: how every fallible function of the runtime reports.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace ft::rt {

/// The exit code that a failure leads to (docs: exit codes).
enum class Code {
  Ok = 0,
  BadInput = 1,    ///< recipe, plan, weights or data are wrong
  CannotRun = 2,   ///< this machine or target cannot run it
  Failed = 3,      ///< failed after the start
  Interrupted = 4, ///< interrupted and saved
};

/// Success, or a code with one message that names the place, the value, what is allowed and the way out.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Code code, std::string message) : errorCode(code), text(std::move(message)) {}
  bool ok() const { return errorCode == Code::Ok; }
  Code code() const { return errorCode; }
  const std::string &message() const { return text; }

private:
  Code errorCode = Code::Ok;
  std::string text;
};

inline Status badInput(std::string message) { return {Code::BadInput, std::move(message)}; }
inline Status cannotRun(std::string message) { return {Code::CannotRun, std::move(message)}; }
inline Status failed(std::string message) { return {Code::Failed, std::move(message)}; }

/// A value, or the Status that explains its absence.
template <typename T> class [[nodiscard]] Expected {
public:
  Expected(T v) : held(std::move(v)) {}
  Expected(Status s) : error(std::move(s)) {}
  bool ok() const { return held.has_value(); }
  explicit operator bool() const { return ok(); }
  T &operator*() { return *held; }
  const T &operator*() const { return *held; }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }
  const Status &status() const { return error; }

private:
  std::optional<T> held;
  Status error;
};

#define FT_CONCAT_IMPL(a, b) a##b
#define FT_CONCAT(a, b) FT_CONCAT_IMPL(a, b)

/// Returns the Status of `expr` from the enclosing function unless it is ok.
#define FT_RETURN_IF_ERROR(expr)                                                                                       \
  do {                                                                                                                 \
    if (::ft::rt::Status ftStatus = (expr); !ftStatus.ok())                                                            \
      return ftStatus;                                                                                                 \
  } while (false)

/// `FT_ASSIGN_OR_RETURN(auto x, f());` binds the value of f(), or returns its Status.
#define FT_ASSIGN_OR_RETURN(decl, expr)                                                                                \
  auto FT_CONCAT(ftExpected, __LINE__) = (expr);                                                                       \
  if (!FT_CONCAT(ftExpected, __LINE__).ok())                                                                           \
    return FT_CONCAT(ftExpected, __LINE__).status();                                                                   \
  decl = std::move(*FT_CONCAT(ftExpected, __LINE__))

} // namespace ft::rt
