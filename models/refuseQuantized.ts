import { UserError } from '../util/errors';
import { section, type ConfigSource } from './configFields';

/**
 * Refuses a checkpoint whose weights are stored as codes of fewer bits (bitsandbytes, GPTQ, AWQ, fp8, …): its tensors are no weights that an
 * architecture could read. A bitsandbytes config that switches nothing on says nothing of the weights.
 * @throws UserError naming the file, the field and the method
 */
export function refuseQuantized(source: ConfigSource): void {
  const found = section(source, ['quantization_config', 'compression_config']);
  if (found) {
    const { json, file, path } = found;
    const bits = ([4, 8] as const).find((count) => json[`load_in_${count}bit`] === true);
    const method = json.quant_method ?? (bits && 'bitsandbytes');
    if (method === 'bitsandbytes' && bits === undefined) return;
    const width = bits ?? json.bits ?? json.w_bit;
    const inBits = typeof width === 'number' ? ` in ${width} bits` : '';
    throw new UserError(
      `${file}: ${path!.slice(0, -1)} says that its weights are stored by ${typeof method === 'string' ? method : 'a method that it does not name'}${inBits}, which is not read; give the model as it was before (--quantization nf4 keeps that in 4 bits)`,
    );
  }
  const text = section(source, 'text_config');
  if (text) refuseQuantized(text);
}
