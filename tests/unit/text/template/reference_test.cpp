// Published chat templates on conversations whose text Python's Jinja2 gave.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/paths.h"
#include "unit/text/template/rendering.h"

namespace flexinfer::jinja {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path kFolder = flexinfer::testing::shared("chat-templates");

std::vector<Json> read_lines(const fs::path& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    lines.push_back(Json::parse(line));
  return lines;
}

const Template& published_template(const std::string& name) {
  static std::map<std::string, Template> compiled;
  const auto found = compiled.find(name);
  if (found != compiled.end()) return found->second;
  std::ifstream file(kFolder / "jinja" / (name + ".jinja"), std::ios::binary);
  const std::string source((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return compiled.emplace(name, Template::compile(source).value()).first->second;
}

Result<std::string> render_case(const Json& line) {
  Json variables = line.value("extra", Json::object());
  if (variables.is_null()) variables = Json::object();
  for (const char* key : {"messages", "tools", "add_generation_prompt"})
    variables[key] = line.at(key);
  RenderInputs inputs;
  const std::string text = variables.dump();
  inputs.variables = text;
  if (line.at("bos_token").is_string()) inputs.bos_token = line.at("bos_token");
  if (line.at("eos_token").is_string()) inputs.eos_token = line.at("eos_token");
  if (line.contains("now")) {
    std::istringstream now(line.at("now").get<std::string>());
    now >> std::get_time(&inputs.now, "%Y-%m-%dT%H:%M:%S");
  }
  return published_template(line.at("template_name")).render(inputs).map(joined);
}

TEST(PublishedTemplates, GiveAnotherText) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << "needs the templates in " << kFolder;
  const std::vector<Json> cases = read_lines(kFolder / "cases.jsonl");
  ASSERT_GT(cases.size(), 900);
  for (const Json& line : cases) {
    const auto text = render_case(line);
    const std::string name =
        line.at("template_name").get<std::string>() + ", " + line.at("kind").get<std::string>();
    ASSERT_TRUE(text) << name << ": " << text.error().message;
    EXPECT_EQ(*text, line.at("expected").get<std::string>()) << name;
  }
}

TEST(PublishedTemplates, AcceptWhatTheyRefuse) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << "needs the templates in " << kFolder;
  for (const Json& line : read_lines(kFolder / "refusals.jsonl")) {
    const auto text = render_case(line);
    ASSERT_FALSE(text) << line.at("template_name") << ", " << line.at("kind");
    EXPECT_NE(text.error().message.find(line.at("error").get<std::string>()), std::string::npos)
        << text.error().message;
  }
}

}  // namespace
}  // namespace flexinfer::jinja
