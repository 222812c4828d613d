// What the fields of a recipe take, for people. Internal to this folder.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace ft {

/// "a multiple of 8 in [8, 1048576]", "one of ADAMW, SGD", "true or false". Of numbers the range is the one that
/// ResolveRecipe.cpp checks, which a test compares.
std::string legalValues(const google::protobuf::FieldDescriptor &field);

} // namespace ft
