import { rowsAtOnce } from '../engine/ops/tokenLogProbs';
import type { EstimateConfig } from './estimateConfig';
import { stateKinds } from './optimizer';
import type { StepShape } from './stepShape';

/** Bytes of a training step by what holds them, without the process's own (Node, libtorch, a GPU's context: some hundred megabytes). */
export interface StepMemory {
  /** Weights in the precision of the computation, and the float32 masters of those that are trained beside it. */
  weights: number;
  /** A tile of a weight in 4 bits as floats, while it is multiplied by. */
  tile: number;
  /** Of what is trained; with accumulation the running sum too. */
  gradients: number;
  optimizer: number;
  /** What the forward pass keeps for the backward pass. */
  activations: number;
  /** Logits and log-probabilities of the completions' tokens, a chunk at most, and again those that weigh pairs. */
  logits: number;
  /** The most at a time: gradients grow while activations go. */
  peak: number;
}

/** Holes where tensors come and go, as a share of those: on a GPU, and in a CPU's heap (docs/LOG.md). */
const HOLES = { gpu: 0.15, cpu: 0.03 };
/** What a run takes on CPUs whatever the model. */
const STEADY = 35e6;

/** Memory of a training step on the torch engine, weights, gradients and state exactly, the rest by what its kernels save; on a GPU if the device is `auto`. */
export function stepMemory(shape: StepShape, options: EstimateConfig): StepMemory {
  const { parameters, trained, adapter, magnitudes, vocabulary } = shape;
  const bytes = options.precision === 'bf16' ? 2 : 4;
  // magnitudes are float32 whatever the precision
  const masters = bytes === 2 ? 4 * (trained - magnitudes) : 0;
  const weights = bytes * (parameters - shape.quantized + adapter) + shape.quantizedBytes + 4 * magnitudes + masters;
  const tile = shape.tileBytes;
  const accumulated = options.gradientAccumulationSteps > 1 ? 4 * trained : 0;
  const gradients = bytes * (trained - magnitudes) + 4 * magnitudes + accumulated;
  const optimizer = 4 * trained * stateKinds(options).length;
  const onGpu = options.device !== 'cpu';
  const activations = bytes * activationCount(shape, options, onGpu);
  const chunk = Math.min(shape.targets, rowsAtOnce(vocabulary));
  // CPUs keep the logits alone, and go through them in pieces
  const raw = bytes * chunk * vocabulary;
  const logProbs = !onGpu && bytes === 4 ? undefined : 4 * chunk * vocabulary;
  const once = raw + (logProbs ?? 0);
  // weighted pairs' are made again while the first ones are kept for the backward pass, unless chunks are computed again there
  const isKept = options.useWeighting && shape.targets <= rowsAtOnce(vocabulary);
  const logits = isKept ? (logProbs ?? raw) + once : once;
  // the head's gradient is made first, while all activations are there
  const headGradient = options.loraRank === undefined ? bytes * shape.headWeights : 0;
  const starts = activations + Math.max(logits, (logProbs ?? raw) + headGradient) + accumulated;
  const ends = gradients + (options.recompute === 'blocks' ? activations : activations / (shape.layers + 1));
  const passing = onGpu ? Math.max((1 + HOLES.gpu) * starts, ends) : (1 + HOLES.cpu) * Math.max(starts, ends) + STEADY;
  const peak = weights + optimizer + tile + passing;
  return { weights, tile, gradients, optimizer, activations, logits, peak };
}

/** Numbers that the forward pass keeps. @param onGpu RMS norms are one operation there; on CPUs one of their parts keeps its input for the scale's gradient */
function activationCount(shape: StepShape, { loraRank, recompute }: EstimateConfig, onGpu: boolean): number {
  const { rows, width, queryWidth, keyWidth, innerWidth, isGated, norms, normsHeads, isRms } = shape;
  const kept = isRms && !onGpu && loraRank === undefined ? 2 : 1;
  // each norm keeps what it norms; linear layers keep their inputs, which those of one place share
  const norm = width * norms + (normsHeads ? queryWidth + keyWidth : 0);
  const inputs = width + queryWidth + (norms > 1 ? width : 0) + innerWidth;
  // queries, keys and values, a shared prompt's once; the result is an input (bf16 on CPUs and ALiBi pad each segment: more, where lengths differ)
  const attention = queryWidth + 2 * keyWidth;
  // a gated layer keeps gate, activation and up, any other its activation's input
  const inner = innerWidth * (isGated ? 3 : 1);
  // LoRA keeps the low-rank inputs of about seven layers
  const low = (loraRank ?? 0) * 7;
  const layer = rows * (kept * norm + inputs + attention + inner + low);
  // recomputed: each layer's input, and one layer at a time whole
  const layers = recompute === 'blocks' ? shape.layers * rows * width + layer : shape.layers * layer;
  return layers + (1 + kept) * rows * width + shape.targets * width;
}
