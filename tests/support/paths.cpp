#include "support/paths.h"

namespace flexinfer::testing {
namespace {

std::string below(std::string folder, std::string_view name) {
  return folder.append("/").append(name);
}

}  // namespace

std::string test_data(std::string_view name) {
  return below(FLEXINFER_TEST_DATA, name);
}
std::string bundled_model(std::string_view name) {
  return below(FLEXINFER_MODELS, name);
}
std::string shared(std::string_view name) {
  return below(FLEXINFER_SHARED, name);
}
std::string program() {
  return FLEXINFER_BINARY;
}

}  // namespace flexinfer::testing
