// What every construct means: small templates whose text Python's Jinja2 gave.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "unit/text/template/rendering.h"

namespace flexinfer::jinja {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kFolder = flexinfer::testing::test_data("templates");

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::tm time_of_the_cases() {
  std::tm time = {};
  time.tm_year = 125;
  time.tm_mon = 2;
  time.tm_mday = 9;
  time.tm_hour = 14;
  time.tm_min = 5;
  time.tm_sec = 7;
  return time;
}

Result<std::string> render_at(const std::string& source, const std::string& variables) {
  FLEX_TRY(const Template compiled, Template::compile(source));
  RenderInputs inputs;
  inputs.variables = variables;
  inputs.now = time_of_the_cases();
  return compiled.render(inputs).map(joined);
}

TEST(TemplateSemantics, DifferFromJinja) {
  const std::string variables = read_all(kFolder / "variables.json");
  std::ifstream file(kFolder / "cases.jsonl");
  int n_cases = 0;
  for (std::string line; std::getline(file, line); ++n_cases) {
    const Json example = Json::parse(line);
    const auto text = render_at(example.at("template"), variables);
    if (example.contains("expected")) {
      ASSERT_TRUE(text) << example.at("template") << "\n" << text.error().message;
      EXPECT_EQ(*text, example.at("expected").get<std::string>()) << example.at("template");
    } else {
      ASSERT_FALSE(text) << example.at("template") << "\n" << *text;
      EXPECT_NE(text.error().message.find(example.value("refusal", "")), std::string::npos)
          << text.error().message;
    }
  }
  EXPECT_GT(n_cases, 100);
}

TEST(TemplateErrors, LackLineOrConstruct) {
  EXPECT_EQ(render("a\n{{ x.y }}"), "error: chat template, line 2, the attribute 'y': 'x' is undefined");
  EXPECT_EQ(render("{% if true %}\n\n{{ 'a' | shout }}{% endif %}"),
            "error: chat template, line 3, the filter 'shout': there is no filter of this name");
  EXPECT_EQ(render("\n{% include 'x' %}"),
            "error: chat template, line 2: the tag 'include' is not supported or not expected here");
  EXPECT_EQ(render("{{ raise_exception('Only two roles') }}"),
            "error: chat template, line 1, the call of 'raise_exception': Only two roles");
  EXPECT_EQ(
      render("{{ x.append(1) }}", R"({"x": []})"),
      "error: chat template, line 1, the call of 'append': 'append' would change a value, which a template "
      "may not do");
}

TEST(TemplateVariables, ArePreciseJson) {
  EXPECT_EQ(render("{{ x }}", R"({"x": [1, 2.0, -3, 1e2, null, true, "a", {"b": {}}]})"),
            "[1, 2.0, -3, 100.0, None, True, 'a', {'b': {}}]");
  EXPECT_EQ(render("{{ x }}", R"({"x": 1, "x": 2})"), "2");
  EXPECT_TRUE(render("", "{").starts_with("error: the conversation is not JSON at byte "));
  EXPECT_TRUE(render("", "[]").starts_with("error: the conversation is not a JSON object"));
  EXPECT_TRUE(render("", std::string(1000, '[')).starts_with("error: the conversation is nested"));
}

}  // namespace
}  // namespace flexinfer::jinja
