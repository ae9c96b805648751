// flexinfer plan: what a budget means, before any weight is read.
#include <algorithm>
#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct PlanOptions {
  std::string model;
  EngineOptions engine;
  std::vector<BudgetItem> budgets;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer plan model.gguf --budget 4GiB
  flexinfer plan model.gguf --budgets 10%..100%
  flexinfer plan model.gguf --budgets 2GiB,4GiB,8GiB --json)";

// The plan under one budget of the curve; one that is too small keeps its error.
struct CurvePoint {
  uint64_t budget_bytes = 0;
  Result<PlanSummary> plan;
};

std::vector<CurvePoint> plan_curve(const PlanOptions& options, uint64_t model_bytes) {
  std::vector<CurvePoint> curve;
  for (const uint64_t budget_bytes : resolve_budgets(options.budgets, model_bytes)) {
    EngineOptions engine_options = options.engine;
    engine_options.budget_bytes = budget_bytes;
    const Result<Engine> engine = Engine::open(options.model, engine_options);
    if (engine) {
      curve.push_back({budget_bytes, engine->plan()});
    } else if (engine.error().code == ErrorCode::kBudgetTooSmall) {
      curve.push_back({budget_bytes, tl::unexpected(engine.error())});
    } else {
      throw Failure(engine.error());
    }
  }
  return curve;
}

Json curve_json(const std::vector<CurvePoint>& curve) {
  Json points = Json::array();
  for (const CurvePoint& point : curve) {
    points.push_back(point.plan
                         ? to_json(*point.plan)
                         : Json{{"budget_bytes", point.budget_bytes}, {"error", point.plan.error().message}});
  }
  return points;
}

std::string curve_text(const std::vector<CurvePoint>& curve, uint64_t model_bytes) {
  Table table({"budget", "of model", "stays", "streams", "tok/s", "at most", "bound by", "first token"});
  for (const auto& [budget_bytes, plan] : curve) {
    std::vector<std::string> row = {
        format_bytes(budget_bytes),
        format_percent(static_cast<double>(budget_bytes) / static_cast<double>(model_bytes))};
    if (plan) {
      row.insert(row.end(),
                 {format_bytes(plan->locked_bytes), format_bytes(plan->streamed_bytes_per_sweep),
                  format_figure(plan->predicted_decode_tok_s), format_figure(plan->bound_decode_tok_s),
                  plan->limit, format_seconds(plan->predicted_first_token_seconds)});
    } else {
      row.emplace_back("too small");
    }
    table.add(std::move(row));
  }
  return table.text();
}

std::string head_text(const std::string& path, const PlanSummary& plan) {
  return fmt::format(
      "{}\n  weights  {}\n  budget   {} (at least {}; from {} on nothing streams)\n"
      "  context  {} tokens{}, {} of a prompt in one sweep\n",
      printable(path), format_bytes(plan.model_bytes), format_bytes(plan.budget_bytes),
      format_bytes(plan.minimum_budget_bytes), format_bytes(plan.full_budget_bytes), plan.context_length,
      plan.context_reduced ? " (reduced to fit the budget)" : "", plan.batch);
}

constexpr std::string_view kEmbedding = "token_embedding";

bool is_head(const PlanSummary& plan, int layer) {
  return layer == plan.layers.back().layer;
}

std::string share_text(uint64_t part, uint64_t whole) {
  if (part == whole) return "all";
  return format_percent(static_cast<double>(part) / static_cast<double>(whole));
}

std::string memory_text(const PlanSummary& plan) {
  Table table({"where the budget goes", "bytes", "share"});
  uint64_t unused = plan.budget_bytes;
  const auto add = [&](const char* what, uint64_t bytes) {
    table.add({what, format_bytes(bytes),
               format_percent(static_cast<double>(bytes) / static_cast<double>(plan.budget_bytes))});
  };
  for (const auto& [what, bytes] : {std::pair{"weights that stay", plan.locked_bytes},
                                    {"reads in flight", plan.slot_bytes},
                                    {"KV cache", plan.kv_cache_bytes},
                                    {"activations", plan.activation_bytes},
                                    {"program and tokenizer", plan.process_bytes}}) {
    add(what, bytes);
    unused -= std::min(unused, bytes);
  }
  add("unused", unused);
  return table.text();
}

// The roles of the layers' matrices, in the order of use.
std::vector<std::string> layer_roles(const PlanSummary& plan) {
  std::vector<std::string> names;
  for (const RolePlan& role : plan.roles) {
    const bool in_layer = !is_head(plan, role.layer) && role.role != kEmbedding;
    if (in_layer && std::ranges::find(names, role.role) == names.end()) names.push_back(role.role);
  }
  return names;
}

// What of each role stays in a layer, as cells of a table: "all", "38 %", "-" where the layer has no such.
std::vector<std::string> role_cells(const PlanSummary& plan, int layer,
                                    const std::vector<std::string>& names) {
  std::vector<std::string> cells;
  for (const std::string& name : names) {
    const auto role = std::ranges::find_if(plan.roles, [&](const RolePlan& candidate) {
      return candidate.layer == layer && candidate.role == name;
    });
    cells.push_back(role == plan.roles.end() ? "-" : share_text(role->locked_bytes, role->total_bytes));
  }
  return cells;
}

// Layers that are treated alike stand in one row, unless all are wanted.
std::string layers_text(const PlanSummary& plan, bool all) {
  const std::vector<std::string> names = layer_roles(plan);
  std::vector<std::string> header = {"layer", "stays", "streams"};
  for (const std::string& name : names)
    header.push_back(name.substr(name.find('_') + 1));  // "attention_q", "ffn_up": without the first part
  Table table(std::move(header));
  const auto cells_of = [&](const LayerPlan& layer) {
    std::vector<std::string> cells = {format_bytes(layer.locked_bytes), format_bytes(layer.streamed_bytes)};
    if (is_head(plan, layer.layer)) return cells;
    const std::vector<std::string> roles = role_cells(plan, layer.layer, names);
    cells.insert(cells.end(), roles.begin(), roles.end());
    return cells;
  };
  const auto& layers = plan.layers;
  for (size_t first = 0; first < layers.size();) {
    std::vector<std::string> row = cells_of(layers[first]);
    size_t next = first + 1;
    while (!all && next + 1 < layers.size() && cells_of(layers[next]) == row)
      ++next;
    const bool head = is_head(plan, layers[first].layer);
    row.insert(row.begin(), head ? "output head"
                            : next == first + 1
                                ? fmt::format("{}", layers[first].layer)
                                : fmt::format("{} to {}", layers[first].layer, layers[next - 1].layer));
    table.add(std::move(row));
    first = next;
  }
  for (const RolePlan& role : plan.roles) {
    if (role.role == kEmbedding) table.add({"embedding", format_bytes(role.locked_bytes), "by row"});
  }
  return table.text();
}

std::string experts_text(const PlanSummary& plan) {
  if (plan.n_experts == 0) return "";
  return fmt::format("each token uses {} of {} experts in every layer; {} of them stay in memory\n",
                     plan.n_experts_used, plan.n_experts, format_percent(plan.locked_expert_share));
}

std::string speed_text(const PlanSummary& plan) {
  return fmt::format(
      "each token reads {} and comes at {} tok/s; no engine could exceed {} here (bound by {}; the machine's "
      "speeds are "
      "{})\nthe first token comes after {}\n",
      format_bytes(plan.streamed_bytes_per_sweep), format_figure(plan.predicted_decode_tok_s),
      format_figure(plan.bound_decode_tok_s), plan.limit, plan.profile_measured ? "measured" : "assumed",
      format_seconds(plan.predicted_first_token_seconds));
}

int show_plan(const PlanOptions& options) {
  const Engine engine = unwrap(Engine::open(options.model, options.engine));
  const PlanSummary& plan = engine.plan();
  const std::vector<CurvePoint> curve = plan_curve(options, plan.model_bytes);
  const OutputOptions& output = options.output;
  if (!output.quiet) say_notes(engine.notes());
  if (output.json) {
    Json json = to_json(plan);
    json["notes"] = engine.notes();
    if (!curve.empty()) json["budgets"] = curve_json(curve);
    print_json(json);
  } else {
    write_stdout(head_text(options.model, plan) + "\n" + memory_text(plan) + "\n" +
                 (output.quiet ? "" : layers_text(plan, output.verbose) + "\n") + experts_text(plan) +
                 speed_text(plan) + (curve.empty() ? "" : "\n" + curve_text(curve, plan.model_bytes)));
  }
  return kDone;
}

}  // namespace

Command add_plan(CLI::App& program) {
  auto* app =
      program.add_subcommand("plan", "Says what stays in memory, what streams, and how fast it will be");
  const auto options = std::make_shared<PlanOptions>();
  add_model(*app, options->model);
  add_parsed(*app, "--budgets", options->budgets,
             "also compare these budgets: sizes or percentages of the model's weights, or a range of ten "
             "(10%..100%)",
             parse_budgets)
      ->type_name("LIST")
      ->group(kMemoryGroup);
  add_memory_options(*app, options->engine);
  add_movement_options(*app, options->engine);
  add_output_options(*app, options->output,
                     {.quiet = "without the layers and notes", .verbose = "every layer in a row of its own"});
  app->footer(kExamples);
  return {app, [options] { return show_plan(*options); }};
}

}  // namespace flexinfer::cli
