// One pass of an optimizer over all weights: reads gradients in bf16 or float32, changes float32 master weights and state in place, and
// writes the weights' bf16 working copies. 20 bytes a parameter for RMSProp, 28 for Adam, where one operator after the other takes 60.
//
// Compiled at run time by NVRTC; on CPUs onePassUpdate.h runs the same text, threads taking turns, so that tests reach it.

#ifdef __CUDACC__
#define DEVICE __device__ inline
#define KERNEL extern "C" __global__ void
#else
#define DEVICE inline
#define KERNEL inline void
#endif

enum Rule { ADAM, ADAMW, RMSPROP, SGD };

/** One weight. Blocks firstBlock, firstBlock + 1, … take BLOCK_ELEMENTS elements each. */
struct Item {
  float* master;
  const void* gradient;
  float* first;          // Adam's first moment, the others' momentum buffer; null without momentum
  float* second;         // the squares' average; null for SGD
  unsigned short* copy;  // bf16; null where there is none
  long long size;
  long long firstBlock;
  int bf16Gradient;
  int aligned;  // whether four elements at a time may be read and written
};

struct Settings {
  int rule;
  float rate;
  float beta1, oneLessBeta1;  // momentum is beta1 too
  float beta2, oneLessBeta2;
  float epsilon;
  float weightDecay;
  float stepSize;         // Adam: rate / (1 - beta1^step)
  float rootCorrection2;  // Adam: sqrt(1 - beta2^step)
  float maxNorm;
};

constexpr int BLOCK_THREADS = 256;
constexpr int BLOCK_ELEMENTS = 4096;

struct alignas(16) FourFloats {
  float of[4];
};
struct alignas(8) FourHalves {
  unsigned short of[4];
};

DEVICE float fromBf16(unsigned short half) {
  union {
    unsigned bits;
    float value;
  } x;
  x.bits = static_cast<unsigned>(half) << 16;
  return x.value;
}

/** To the nearest, halves to even. */
DEVICE unsigned short toBf16(float value) {
  union {
    float value;
    unsigned bits;
  } x;
  x.value = value;
  if (value != value) return 0x7FC0;
  return static_cast<unsigned short>((x.bits + 0x7FFF + ((x.bits >> 16) & 1)) >> 16);
}

/** The weight after its update; `first` and `second` are changed. As torch.optim's Adam, AdamW, RMSprop and SGD. */
DEVICE float updated(float weight, float gradient, float& first, float& second, bool momentum, const Settings& s) {
  if (s.rule == ADAMW)
    weight -= s.rate * s.weightDecay * weight;
  else
    gradient += s.weightDecay * weight;
  if (s.rule == ADAM || s.rule == ADAMW) {
    first = s.beta1 * first + s.oneLessBeta1 * gradient;
    second = s.beta2 * second + s.oneLessBeta2 * gradient * gradient;
    return weight - s.stepSize * first / (sqrtf(second) / s.rootCorrection2 + s.epsilon);
  }
  float direction = gradient;
  if (s.rule == RMSPROP) {
    second = s.beta2 * second + s.oneLessBeta2 * gradient * gradient;
    direction = gradient / (sqrtf(second) + s.epsilon);
  }
  if (momentum) {
    first = s.beta1 * first + direction;
    direction = first;
  }
  return weight - s.rate * direction;
}

DEVICE void updateOne(const Item& item, long long i, float divisor, const Settings& s) {
  const float gradient =
      item.bf16Gradient ? fromBf16(static_cast<const unsigned short*>(item.gradient)[i]) : static_cast<const float*>(item.gradient)[i];
  float first = item.first ? item.first[i] : 0.0f;
  float second = item.second ? item.second[i] : 0.0f;
  const float weight = updated(item.master[i], gradient / divisor, first, second, item.first != nullptr, s);
  item.master[i] = weight;
  if (item.first) item.first[i] = first;
  if (item.second) item.second[i] = second;
  if (item.copy) item.copy[i] = toBf16(weight);
}

DEVICE void updateFour(const Item& item, long long i, float divisor, const Settings& s) {
  const FourFloats zeros = {{0.0f, 0.0f, 0.0f, 0.0f}};
  FourFloats weight = *reinterpret_cast<const FourFloats*>(item.master + i);
  FourFloats first = item.first ? *reinterpret_cast<const FourFloats*>(item.first + i) : zeros;
  FourFloats second = item.second ? *reinterpret_cast<const FourFloats*>(item.second + i) : zeros;
  FourFloats gradient;
  if (item.bf16Gradient) {
    const FourHalves halves = *reinterpret_cast<const FourHalves*>(static_cast<const unsigned short*>(item.gradient) + i);
    for (int j = 0; j < 4; j++) gradient.of[j] = fromBf16(halves.of[j]);
  } else {
    gradient = *reinterpret_cast<const FourFloats*>(static_cast<const float*>(item.gradient) + i);
  }
  FourHalves copy;
  for (int j = 0; j < 4; j++) {
    weight.of[j] = updated(weight.of[j], gradient.of[j] / divisor, first.of[j], second.of[j], item.first != nullptr, s);
    copy.of[j] = toBf16(weight.of[j]);
  }
  *reinterpret_cast<FourFloats*>(item.master + i) = weight;
  if (item.first) *reinterpret_cast<FourFloats*>(item.first + i) = first;
  if (item.second) *reinterpret_cast<FourFloats*>(item.second + i) = second;
  if (item.copy) *reinterpret_cast<FourHalves*>(item.copy + i) = copy;
}

/** @param norm of all gradients: they are divided by max(1, (norm + 1e-6) / maxNorm); where it is not finite, nothing changes */
KERNEL updateWeights(const Item* items, int count, const float* norm, Settings s) {
  if (!(fabsf(*norm) <= 3.402823466e38f)) return;
  const float divisor = fmaxf(1.0f, (*norm + 1e-6f) / s.maxNorm);
  int low = 0, high = count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (items[middle].firstBlock <= static_cast<long long>(blockIdx.x))
      low = middle;
    else
      high = middle - 1;
  }
  const Item item = items[low];
  const long long begin = (static_cast<long long>(blockIdx.x) - item.firstBlock) * BLOCK_ELEMENTS;
  const long long end = begin + BLOCK_ELEMENTS < item.size ? begin + BLOCK_ELEMENTS : item.size;
  const long long fours = item.aligned ? begin + (end - begin) / 4 * 4 : begin;
  for (long long i = begin + 4 * threadIdx.x; i < fours; i += 4 * BLOCK_THREADS) updateFour(item, i, divisor, s);
  for (long long i = fours + threadIdx.x; i < end; i += BLOCK_THREADS) updateOne(item, i, divisor, s);
}
