// The JSON that scripts read. Its keys are stable.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "flexinfer/engine.h"
#include "flexinfer/stats.h"
#include "flexinfer/tools.h"

namespace flexinfer::cli {

using Json = nlohmann::ordered_json;

Json to_json(const PlanSummary& plan);
Json to_json(const SessionStats& stats, const PlanSummary& plan);
// How weights were read and what was chosen where nothing was asked for.
Json engine_json(const Engine& engine, const Session& session);
Json to_json(const std::vector<CopyStats>& copies);
Json to_json(const MachineInfo& machine);
Json to_json(const ModelInfo& model);

// Bytes that are not UTF-8 are replaced. On one line, or indented by so many spaces.
std::string json_text(const Json& json, int indentation = -1);
// The one object that a command prints.
void print_json(const Json& json);

}  // namespace flexinfer::cli
