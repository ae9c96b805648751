#include "text/keyed_hash.h"

#include <sys/auxv.h>

namespace flexinfer {

HashKey process_hash_key() {
  HashKey key;
  if (const unsigned long random = getauxval(AT_RANDOM); random != 0) {
    std::memcpy(&key, reinterpret_cast<const void*>(random), sizeof(key));
  }
  return key;
}

}  // namespace flexinfer
