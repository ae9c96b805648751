// Where tests find what they read. Functions, not definitions of the compiler: objects compiled in one clone
// serve every other.
#pragma once

#include <string>
#include <string_view>

namespace flexinfer::testing {

std::string test_data(std::string_view name);      // committed with the tests
std::string bundled_model(std::string_view name);  // a model that ships with the project
std::string shared(std::string_view name);         // reference data beside the project; may be absent
std::string program();                             // flexinfer itself

}  // namespace flexinfer::testing
