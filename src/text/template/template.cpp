#include "text/template/template.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "text/template/interpreter.h"
#include "text/template/json_reader.h"
#include "text/template/parser.h"
#include "text/utf8.h"

namespace flexinfer::jinja {
namespace {

constexpr size_t kLongestSource = 256 * kKiB;  // the longest known are a tenth of this
constexpr uint64_t kSyntaxBytes = 16 * kMiB;

std::vector<Segment> segments_of(const TextBuilder& out) {
  std::vector<Segment> segments;
  size_t begin = 0;
  for (const TextBuilder::Run& run : out.runs()) {
    segments.push_back({out.bytes().substr(begin, run.end - begin), run.is_trusted});
    begin = run.end;
  }
  return segments;
}

// The names and values that a template is given.
class Variables {
 public:
  explicit Variables(const Symbols& symbols) : symbols_(symbols) {}

  void set(std::string_view name, const Value& value) {
    if (const Symbol* symbol = symbols_.find(name)) variables_.push_back({*symbol, value});
  }
  void set_token(std::string_view name, const std::optional<std::string>& text) {
    if (text) set(name, Text(*text, true));
  }
  const std::vector<Variable>& all() const { return variables_; }

 private:
  const Symbols& symbols_;
  std::vector<Variable> variables_;  // of one name the last one counts
};

}  // namespace

struct Template::Program {
  std::string source;
  Arena arena{kSyntaxBytes};
  Symbols symbols;
  Nodes body;
};

Template::Template(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::compile(std::string_view source) {
  if (source.size() > kLongestSource) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("the chat template has {}: more than {} is too long",
                                  format_bytes(source.size()), format_bytes(kLongestSource)));
  }
  if (valid_utf8_prefix(source) != source.size()) {
    return make_error(ErrorCode::kCorrupt, "the chat template is not UTF-8");
  }
  auto program = std::make_unique<Program>();
  program->source = normalize_newlines(source);
  auto body = parse(program->source, program->arena, program->symbols);
  if (!body) return make_error(body.error().code, "chat template, " + body.error().message);
  program->body = *body;
  return Template(std::move(program));
}

Result<std::vector<Segment>> Template::render(const RenderInputs& inputs) const {
  const Limits limits = limits_for(inputs.variables.size());
  // The conversation has a place of its own: a small text can hold many values.
  Sandbox data({.memory_bytes = kMiB + 128 * inputs.variables.size(), .steps = ~uint64_t{0}}, inputs.now);
  auto conversation = read_json(inputs.variables, data);
  if (!conversation)
    return make_error(conversation.error().code, "the conversation is " + conversation.error().message);
  const Dict* given = as_dict(*conversation);
  if (given == nullptr) return make_error(ErrorCode::kUsage, "the conversation is not a JSON object");

  Variables variables(program_->symbols);
  for (const char* name : {"tools", "documents"})
    variables.set(name, None{});
  variables.set("add_generation_prompt", false);
  variables.set_token("bos_token", inputs.bos_token);
  variables.set_token("eos_token", inputs.eos_token);
  for (const DictEntry& entry : given->entries)
    variables.set(as_text(entry.key)->bytes(), entry.value);

  Sandbox sandbox(limits, inputs.now);
  TextBuilder out(limits.output_bytes);
  auto status = Interpreter(sandbox, out).run(program_->body, variables.all());
  if (!status) return make_error(status.error().code, "chat template, " + status.error().message);
  return segments_of(out);
}

}  // namespace flexinfer::jinja
