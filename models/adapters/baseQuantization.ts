import type { Quantization } from '../../engine/engine';

/** What an adapter's file calls the quantisation of its base model: the options that give it. */
export function quantizationText(quantization: Quantization | undefined): string {
  if (!quantization) return '--quantization none';
  return `--quantization ${quantization.type}${quantization.double ? ' --double-quantization' : ''}`;
}
