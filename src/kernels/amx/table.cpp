#include <array>

#include "kernels/amx/matmuls.h"
#include "kernels/amx/quant_isa.h"
#include "kernels/avx512/table.h"
#include "kernels/simd/matmul_quant.h"
#include "kernels/simd/matmul_quant_32.h"
#include "kernels/simd/matmul_quant_k.h"
#include "kernels/simd/matmul_quant_levels.h"

namespace flexinfer::amx {
namespace {

// Few tokens leave tiles empty, and memory bounds their speed.
template <GgmlType type, class Format>
void multiply(const MatmulArgs& args) {
  if (args.n_tokens <= simd::most_once<Format>(args.layout)) return avx512::kTable.find_matmul(type)(args);
  simd::multiply_many<Format>(args);
}

template <GgmlType type, template <class> class Format>
inline constexpr KernelTable::Matmul kMatmul = {type, multiply<type, Format<QuantIsa>>};

// A type with a scale for every 16 weights needs twice the products: vectors are faster.
constexpr std::array kMatmuls = {
    kMatmul<GgmlType::kQ8_0, simd::Q8_0>,     kMatmul<GgmlType::kQ4_0, simd::Q4_0>,
    kMatmul<GgmlType::kQ4_1, simd::Q4_1>,     kMatmul<GgmlType::kQ5_0, simd::Q5_0>,
    kMatmul<GgmlType::kQ5_1, simd::Q5_1>,     kMatmul<GgmlType::kQ4_K, simd::Q4_K>,
    kMatmul<GgmlType::kQ5_K, simd::Q5_K>,     kMatmul<GgmlType::kIQ4_NL, simd::IQ4_NL>,
    kMatmul<GgmlType::kIQ4_XS, simd::IQ4_XS>, kMatmul<GgmlType::kMXFP4, simd::MXFP4>,
};

}  // namespace

std::span<const KernelTable::Matmul> matmuls() {
  return kMatmuls;
}

}  // namespace flexinfer::amx
