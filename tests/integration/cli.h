// What the tests of the program share.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "support/files.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/sanitizer.h"

namespace flexinfer::testing {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

// The models of the project: one of three layers, and one that is worth streaming.
inline const std::string kSmallModel = bundled_model("docs7m-Q4_0.gguf");
inline const std::string kLargerModel = bundled_model("docs46m-Q4_0.gguf");

Arguments operator+(Arguments a, const Arguments& b);

// The one object that a command with --json prints; fails the test where the command fails or prints anything
// else.
Json run_json(const Arguments& arguments, const ProcessOptions& options = {});

// That a command failed as agreed: this status, one line on standard error, nothing on standard output.
void expect_error(const ProcessResult& result, int exit_status);

// How many tokens a chat computed before replies, as its /stats says.
size_t n_prefilled(const ProcessResult& result);

void expect_keys(const Json& object, const std::vector<const char*>& keys);

// A budget that much of the way from the smallest that works to the one from which on nothing streams.
std::string budget_between(const std::string& model, double share, const Arguments& arguments = {});

}  // namespace flexinfer::testing
