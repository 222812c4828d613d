// tokenize MODEL [--threads N] [--text] [--add-special] < TEXTS: one line of ids for each line of TEXTS, which are
// hexadecimal bytes. The time of encoding alone, without reading and writing, goes to stderr.

#include "runtime/Tokenizer/Tokenizer.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <thread>

using namespace ft::rt;

namespace {
std::string fromHex(const std::string &hex) {
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t at = 0; at + 1 < hex.size(); at += 2)
    out += char(digit(hex[at]) << 4 | digit(hex[at + 1]));
  return out;
}
} // namespace

int main(int argc, char **argv) {
  unsigned threads = 1;
  auto specials = Tokenizer::Specials::Matched;
  bool around = false;
  for (int i = 2; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--threads") && i + 1 < argc)
      threads = unsigned(std::max(1, std::atoi(argv[++i])));
    else if (!std::strcmp(argv[i], "--text"))
      specials = Tokenizer::Specials::AsText;
    else if (!std::strcmp(argv[i], "--add-special"))
      around = true;
  }
  auto tokenizer = loadTokenizer(argc > 1 ? argv[1] : ".");
  if (!tokenizer) {
    std::cerr << tokenizer.status().message() << "\n";
    return int(tokenizer.status().code());
  }
  std::vector<std::string> texts;
  size_t bytes = 0;
  for (std::string line; std::getline(std::cin, line);)
    bytes += texts.emplace_back(fromHex(line)).size();
  std::vector<std::vector<uint32_t>> ids(texts.size());
  std::atomic<size_t> next = 0;
  std::atomic<bool> ok = true;
  const auto start = std::chrono::steady_clock::now();
  auto work = [&] {
    Tokenizer::Scratch scratch;
    for (size_t i = next++; i < texts.size(); i = next++)
      ok = ok & tokenizer->encode(texts[i], ids[i], scratch, specials).ok();
  };
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cerr << "encoded " << texts.size() << " texts, " << bytes << " bytes in " << seconds << " s, "
            << double(bytes) / seconds / 1e6 << " MB/s on " << threads << " threads\n";
  std::string out;
  for (const auto &row : ids) {
    if (around)
      for (uint32_t id : tokenizer->prefix())
        out += std::to_string(id) + " ";
    for (uint32_t id : row)
      out += std::to_string(id) + " ";
    if (around)
      for (uint32_t id : tokenizer->suffix())
        out += std::to_string(id) + " ";
    out += "\n";
  }
  std::cout << out;
  return ok ? 0 : 1;
}
