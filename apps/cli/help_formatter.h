// The look of --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace flexinfer::cli {

// One line of synopsis an option, its default among the words of its description, which is wrapped.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(26); }
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
};

}  // namespace flexinfer::cli
