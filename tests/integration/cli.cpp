#include "integration/cli.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace flexinfer::testing {

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Json run_json(const Arguments& arguments, const ProcessOptions& options) {
  const ProcessResult result = run_flexinfer(arguments + Arguments{"--json"}, options);
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_EQ(result.signal, 0);
  const Json json = Json::parse(result.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << result.out;
  return json;
}

void expect_error(const ProcessResult& result, int exit_status) {
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.exit_status, exit_status);
  EXPECT_TRUE(result.err.starts_with("flexinfer: ")) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  EXPECT_EQ(result.out, "");
}

size_t n_prefilled(const ProcessResult& result) {
  const size_t at = result.err.find("prefill ");
  EXPECT_NE(at, std::string::npos) << result.err;
  return at == std::string::npos ? 0 : std::stoul(result.err.substr(at + 8));
}

void expect_keys(const Json& object, const std::vector<const char*>& keys) {
  for (const char* key : keys)
    EXPECT_TRUE(object.contains(key)) << "no " << key << " in " << object.dump();
}

std::string budget_between(const std::string& model, double share, const Arguments& arguments) {
  const Json plan = run_json(Arguments{"plan", model} + arguments);
  const double minimum = plan.at("minimum_budget_bytes");
  const double full = plan.at("full_budget_bytes");
  constexpr uint64_t kSlackBytes = kSanitized ? 8 << 20 : 0;
  return std::to_string(static_cast<uint64_t>(minimum + share * (full - minimum)) + kSlackBytes);
}

}  // namespace flexinfer::testing
