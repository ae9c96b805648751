#include "text/pre_tokenizer_rules.h"

#include <algorithm>
#include <array>

namespace flexinfer {
namespace {

using Pattern = std::string_view;

// The patterns are those of the models' own tokenizers; "default" is llama.cpp's, for files that name none.
constexpr Pattern kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr Pattern kEveryDigit = R"(\p{N})";
constexpr Pattern kDigits = R"(\p{N}+)";
constexpr Pattern kThreeDigits = R"([0-9][0-9][0-9])";
constexpr Pattern kUpToThreeDigits = R"(\p{N}{1,3})";
constexpr Pattern kLineBreak = R"([\r\n])";
constexpr Pattern kPunctuation = R"([\p{P}$+<=>^~|]+)";
constexpr Pattern kAsciiPunctuationAndMore = R"([\p{P}$+<=>^~|`]+)";
constexpr Pattern kSentencePart = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";

constexpr Pattern kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kSeedCoder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*)"
    R"(|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr Pattern kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kTekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                            R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                            R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// DeepSeek's first tokenizers list the letters of the scripts that have capitals.
constexpr Pattern kDeepSeekLetters =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5})"
    R"(\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD})"
    R"(\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15})"
    R"(\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D})"
    R"(\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB})"
    R"(\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D})"
    R"(\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E})"
    R"(\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D})"
    R"(\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06})"
    R"(\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";
constexpr Pattern kDeepSeekPunctuation =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
// The model's pattern is \s+$; not to begin inside a run of blanks gives the same match without trying each
// of them.
constexpr Pattern kBlanksAtEnd = R"((?<!\s)\s+\z)";
constexpr Pattern kDeepSeekIdeographs = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr Pattern kAnyLetters = R"(\s?\p{L}+)";
constexpr Pattern kAnyPunctuation = R"(\s?\p{P}+)";
constexpr Pattern kDeepSeek3Ideographs = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr Pattern kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr auto kRules = std::to_array<PreTokenizerRules>({
    {.name = "default", .patterns = {kPunctuation, kGpt2, kDigits, kThreeDigits}},
    // Falcon's own tokenizer looks for digits among the bytes, too late to see those of other scripts. That
    // it cuts them from the blank before them changes nothing: no token of its vocabulary has both.
    {.name = "falcon", .patterns = {kAsciiPunctuationAndMore, kGpt2, kThreeDigits}},

    {.name = "gpt-2", .patterns = {kGpt2}},
    {.name = "phi-2", .patterns = {kGpt2}},
    {.name = "exaone4", .patterns = {kGpt2}},
    {.name = "trillion", .patterns = {kGpt2}},
    {.name = "mpt", .patterns = {kGpt2}, .normalizes = true},
    {.name = "olmo", .patterns = {kGpt2}, .normalizes = true},

    {.name = "starcoder", .patterns = {kEveryDigit, kGpt2}},
    {.name = "refact", .patterns = {kEveryDigit, kGpt2}},
    {.name = "smollm", .patterns = {kEveryDigit, kGpt2}},
    {.name = "codeshell", .patterns = {kEveryDigit, kGpt2}},
    {.name = "exaone", .patterns = {kEveryDigit, kGpt2}},
    {.name = "minerva-7b", .patterns = {kEveryDigit, kGpt2}},
    {.name = "command-r", .patterns = {kEveryDigit, kGpt2}, .normalizes = true},

    {.name = "llama-bpe", .patterns = {kLlama3}, .ignores_merges = true, .adds_bos = true},
    {.name = "llama3", .patterns = {kLlama3}, .ignores_merges = true, .adds_bos = true},
    {.name = "llama-v3", .patterns = {kLlama3}, .ignores_merges = true, .adds_bos = true},
    {.name = "falcon3", .patterns = {kLlama3}, .ignores_merges = true, .adds_bos = true},
    {.name = "lfm2", .patterns = {kLlama3}, .ignores_merges = true, .adds_bos = true},
    {.name = "midm-2.0", .patterns = {kLlama3}, .ignores_merges = true, .adds_bos = true},
    {.name = "dbrx", .patterns = {kLlama3}},
    {.name = "smaug-bpe", .patterns = {kLlama3}},
    {.name = "glm4", .patterns = {kLlama3}},
    {.name = "chatglm-bpe", .patterns = {kLlama3}},

    {.name = "qwen2", .patterns = {kQwen2}, .normalizes = true},
    {.name = "deepseek-r1-qwen", .patterns = {kQwen2}, .normalizes = true},
    {.name = "stablelm2", .patterns = {kQwen2}},
    {.name = "grok-2", .patterns = {kQwen2}},
    {.name = "qwen35", .patterns = {kQwen35}, .normalizes = true},
    {.name = "seed-coder", .patterns = {kSeedCoder}},
    {.name = "bailingmoe", .patterns = {kBailing}},
    {.name = "bailingmoe2", .patterns = {kBailing}},
    {.name = "llada-moe", .patterns = {kBailing}},

    {.name = "gpt-4o", .patterns = {kGpt4o}},
    {.name = "llama4", .patterns = {kGpt4o}},
    {.name = "tekken", .patterns = {kTekken}, .ignores_merges = true, .adds_bos = true},

    {.name = "bloom", .patterns = {kSentencePart}},
    {.name = "poro-chat", .patterns = {kSentencePart}},
    {.name = "gpt3-finnish", .patterns = {kSentencePart}},
    {.name = "viking", .patterns = {kSentencePart, kEveryDigit}},

    // A digit is a word by itself in DeepSeek's own tokenizers, as no token has two.
    {.name = "deepseek-llm",
     .patterns = {kLineBreak, kDeepSeekLetters, kDeepSeekPunctuation, kBlanksAtEnd, kDeepSeekIdeographs,
                  kEveryDigit}},
    {.name = "deepseek-coder",
     .patterns = {kLineBreak, kAnyLetters, kAnyPunctuation, kDeepSeekIdeographs, kEveryDigit}},
    {.name = "deepseek-v3", .patterns = {kUpToThreeDigits, kDeepSeek3Ideographs, kDeepSeek3}},
});

}  // namespace

const PreTokenizerRules* find_pre_tokenizer_rules(std::string_view name) {
  const auto found = std::ranges::find(kRules, name, &PreTokenizerRules::name);
  return found == kRules.end() ? nullptr : &*found;
}

}  // namespace flexinfer
