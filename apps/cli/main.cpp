// flexinfer: the command line. One subcommand a file; this one finds it, runs it and reports how it went.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "help_formatter.h"
#include "terminal.h"

namespace flexinfer::cli {
namespace {

constexpr auto kAbout =
    "Runs a language model that does not fit in memory, at the speed the disk allows, in exactly the memory "
    "you grant.";

constexpr auto kFooter = R"(Examples:
  flexinfer plan model.gguf --budget 4GiB
  flexinfer run model.gguf --budget 4GiB -p "Once upon a time"
  flexinfer run --help

Exit status: 0 done; 1 the work failed; 2 wrong usage; 3 the budget is too small; 130 interrupted.)";

// The kernel gives a new file the lowest free number: with a standard stream closed, a model or an output
// file would take its place and receive what is meant for the stream.
void open_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) == -1) static_cast<void>(open("/dev/null", O_RDWR));
  }
}

int fail(std::string_view message, int status) {
  say("flexinfer: {}", printable(message));
  return status;
}

std::vector<Command> add_commands(CLI::App& program) {
  std::vector<Command> commands;
  for (const auto add : {add_run, add_chat, add_plan, add_bench, add_inspect, add_logits, add_perplexity,
                         add_tokenize, add_template, add_synth, add_calibrate, add_quantize}) {
    commands.push_back(add(program));
  }
  return commands;
}

// "flexinfer", or "flexinfer run" where the user got that far.
std::string help_command(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  return chosen.empty() ? "flexinfer" : "flexinfer " + chosen.front()->get_name();
}

int execute(const std::vector<Command>& commands) {
  const auto chosen =
      std::ranges::find_if(commands, [](const Command& command) { return command.app->parsed(); });
  if (chosen == commands.end()) throw CLI::RequiredError("a subcommand");
  return chosen->execute();
}

int run_program(int argc, char** argv) {
  CLI::App program(kAbout, "flexinfer");
  program.set_version_flag("--version", "flexinfer " FLEXINFER_VERSION, "show the version");
  program.set_help_flag("-h,--help", "show this help");
  program.formatter(std::make_shared<HelpFormatter>());  // the subcommands inherit it
  program.require_subcommand(0, 1);
  program.footer(kFooter);
  const std::vector<Command> commands = add_commands(program);
  try {
    program.parse(argc, argv);
    return execute(commands);
  } catch (const CLI::CallForHelp&) {
    write_stdout(program.help());
  } catch (const CLI::CallForVersion& version) {
    write_stdout(std::string(version.what()) + "\n");
  } catch (const CLI::ParseError& error) {
    return fail(fmt::format("{} (see {} --help)", error.what(), help_command(program)), kWrongUsage);
  }
  return kDone;
}

}  // namespace
}  // namespace flexinfer::cli

int main(int argc, char** argv) {
  using namespace flexinfer::cli;
  open_standard_streams();
  try {
    return run_program(argc, argv);
  } catch (const Failure& failure) {
    return fail(failure.what(), exit_status(failure.error().code));
  } catch (const std::exception& error) {
    return fail(error.what(), kFailed);
  }
}
