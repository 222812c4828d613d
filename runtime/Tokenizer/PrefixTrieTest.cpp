#include "runtime/Tokenizer/PrefixTrie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

using namespace ft::rt;

namespace {

using Found = std::vector<std::pair<size_t, uint32_t>>;

Found found(const PrefixTrie &trie, std::string_view text) {
  Found all;
  trie.forEachPrefix(text, [&](size_t length, uint32_t value) { all.emplace_back(length, value); });
  return all;
}

TEST(PrefixTrie, FindsPrefixesTheShortestFirst) {
  const std::string zero("a\0b", 3);
  const PrefixTrie trie = *PrefixTrie::of({{"a", 5}, {"abc", 6}, {zero, 7}, {"\xff\xfe", 8}, {"ab", 1}, {"ab", 9}});
  EXPECT_EQ(found(trie, "abcd"), (Found{{1, 5}, {2, 9}, {3, 6}}));
  EXPECT_EQ(found(trie, zero + "c"), (Found{{1, 5}, {3, 7}}));
  EXPECT_EQ(found(trie, "\xff\xfe\xff"), (Found{{2, 8}}));
  EXPECT_EQ(found(trie, "ac"), (Found{{1, 5}}));
  EXPECT_EQ(found(trie, "b"), Found());
  EXPECT_EQ(found(trie, ""), Found());
  EXPECT_EQ(found(PrefixTrie(), "a"), Found());
  EXPECT_EQ(found(*PrefixTrie::of({}), "a"), Found());
}

/// Against a map: few letters, so that nodes have many children, and all bytes, so that blocks overlap.
TEST(PrefixTrie, HoldsWhatAMapHolds) {
  std::mt19937 random(7);
  for (int letters : {2, 7, 256}) {
    std::map<std::string, uint32_t> expected;
    std::vector<std::string> keys;
    auto word = [&](size_t most) {
      std::string text(1 + random() % most, ' ');
      for (char &c : text)
        c = char(random() % unsigned(letters));
      return text;
    };
    for (uint32_t i = 0; i < 20000; ++i)
      keys.push_back(word(12));
    std::vector<PrefixTrie::Entry> entries;
    for (uint32_t i = 0; i < keys.size(); ++i) {
      entries.emplace_back(keys[i], i);
      expected[keys[i]] = i;
    }
    const PrefixTrie trie = *PrefixTrie::of(entries);
    for (int i = 0; i < 20000; ++i) {
      const std::string text = i % 2 ? word(14) : keys[size_t(i)] + word(2);
      Found wanted;
      for (size_t length = 1; length <= text.size(); ++length)
        if (auto it = expected.find(text.substr(0, length)); it != expected.end())
          wanted.emplace_back(length, it->second);
      ASSERT_EQ(found(trie, text), wanted);
    }
  }
}

} // namespace
