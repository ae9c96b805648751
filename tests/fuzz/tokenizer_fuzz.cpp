// Any vocabulary with any text: it is refused, or gives ids of its own, and no control tokens for text that
// may not spell them.
//
// Input: a line "MODEL PRE", lines "TYPE SCORE TEXT" (one digit each, then a token), an empty line, the
// merges, an empty line, and the text to encode.
#include <cstdlib>
#include <string>
#include <string_view>

#include "gguf/metadata.h"
#include "text/tokenizer.h"

namespace {

using flexinfer::Metadata;
using flexinfer::StringList;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view take_line(std::string_view& rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  return line;
}

Metadata read_vocabulary(std::string_view& rest) {
  Metadata metadata;
  const std::string_view first = take_line(rest);
  const std::string_view model = first.substr(0, first.find(' '));
  metadata.set("tokenizer.ggml.model", std::string(model));
  if (model.size() < first.size())
    metadata.set("tokenizer.ggml.pre", std::string(first.substr(model.size() + 1)));
  StringList tokens;
  std::vector<int64_t> types;
  std::vector<double> scores;
  for (std::string_view line = take_line(rest); line.size() >= 2; line = take_line(rest)) {
    types.push_back(line[0] - '0');
    scores.push_back('0' - line[1]);
    tokens.add(line.substr(2));
  }
  StringList merges;
  for (std::string_view line = take_line(rest); !line.empty(); line = take_line(rest))
    merges.add(line);
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.token_type", std::move(types));
  metadata.set("tokenizer.ggml.scores", std::move(scores));
  metadata.set("tokenizer.ggml.merges", std::move(merges));
  return metadata;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  std::string_view rest(reinterpret_cast<const char*>(data), n_bytes);
  const Metadata metadata = read_vocabulary(rest);
  const auto tokenizer = flexinfer::Tokenizer::create(metadata);
  if (!tokenizer) {
    require(!tokenizer.error().message.empty());
    return 0;
  }
  const auto types = metadata.integers("tokenizer.ggml.token_type");
  for (const bool parse_special : {false, true}) {
    const auto ids = (*tokenizer)->encode(rest, {.parse_special = parse_special, .add_special = false});
    require(ids.has_value());
    for (const flexinfer::Token id : *ids) {
      require(id >= 0 && id < (*tokenizer)->vocab_size());
      require(parse_special || (**types)[static_cast<size_t>(id)] != 3);
      (*tokenizer)->decode(id);
    }
  }
  return 0;
}
