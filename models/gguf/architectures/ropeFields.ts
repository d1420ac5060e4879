import { UserError } from '../../../util/errors';
import { scaledFrequencies } from '../../parts/rotaryScaling';
import type { GgufHeader } from '../ggufArchitecture';

/** Llama 3.1's and 3.2's, which llama.cpp's converter writes no metadata for: only the divisors that follow from them. */
const LLAMA3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
export const ROPE_FREQS = 'rope_freqs.weight';

/** `rope_theta` and `rope_scaling` of config.json from a file's metadata. @throws UserError naming the metadata entry */
export function ropeFields(
  header: GgufHeader,
  headWidth: number,
  defaultBase = 10_000,
): { rope_theta: number; rope_scaling: object | null } {
  const { metadata, architecture, tensors } = header;
  const key = (name: string): string => `${architecture}.rope.${name}`;
  const turned = metadata.count(key('dimension_count'), headWidth);
  if (turned !== headWidth)
    throw new UserError(`${metadata.path}: metadata entry ${key('dimension_count')} is ${turned}; it must be ${headWidth}, a head's width`);
  const base = metadata.positive(key('freq_base'), defaultBase);
  const scaling = metadataScaling(header);
  if (!tensors.has(ROPE_FREQS)) return { rope_theta: base, rope_scaling: scaling };
  if (scaling)
    throw new UserError(`${metadata.path}: tensor ${ROPE_FREQS} and metadata entry ${key('scaling.type')} both scale; one is allowed`);
  return { rope_theta: base, rope_scaling: llama3Scaling(header, base, headWidth) };
}

function metadataScaling({ metadata, architecture }: GgufHeader): object | null {
  const key = (name: string): string => `${architecture}.rope.scaling.${name}`;
  const type = metadata.text(key('type'), 'none');
  switch (type) {
    case 'none':
      return null;
    case 'linear':
      return { rope_type: 'linear', factor: metadata.positive(key('factor')) };
    case 'yarn': {
      const optional = (field: string, name: string): object => (metadata.has(key(name)) ? { [field]: metadata.positive(key(name)) } : {});
      return {
        rope_type: 'yarn',
        factor: metadata.positive(key('factor')),
        original_max_position_embeddings: metadata.count(key('original_context_length')),
        ...optional('attention_factor', 'yarn_attn_factor'),
        ...optional('beta_fast', 'yarn_beta_fast'),
        ...optional('beta_slow', 'yarn_beta_slow'),
      };
    }
    default:
      throw new UserError(
        `${metadata.path}: metadata entry ${key('type')} is ${JSON.stringify(type)}; these can be read: none, linear, yarn`,
      );
  }
}

/** Llama 3's scaling from the divisors of its frequencies: the largest is the factor, and the others must follow from it. */
function llama3Scaling({ metadata, values }: GgufHeader, base: number, headWidth: number): object | null {
  const divisors = values(ROPE_FREQS);
  const factor = Math.max(...divisors);
  if (divisors.length === headWidth / 2 && divisors.every((divisor) => divisor === 1)) return null;
  const { low_freq_factor, high_freq_factor, original_max_position_embeddings } = LLAMA3;
  const plain = scaledFrequencies({ base, width: headWidth, scaling: { type: 'default' } });
  const scaled = scaledFrequencies({
    base,
    width: headWidth,
    scaling: {
      type: 'llama3',
      factor,
      lowFrequencyFactor: low_freq_factor,
      highFrequencyFactor: high_freq_factor,
      trainedPositions: original_max_position_embeddings,
    },
  });
  const fits = plain.length === divisors.length && plain.every((value, i) => Math.abs(value / scaled[i] / divisors[i] - 1) < 1e-4);
  if (!fits)
    throw new UserError(
      `${metadata.path}: tensor ${ROPE_FREQS} is not Llama 3's scaling (${headWidth / 2} divisors, ` +
        `low_freq_factor ${low_freq_factor}, high_freq_factor ${high_freq_factor}, trained on ${original_max_position_embeddings} positions)`,
    );
  return { rope_type: 'llama3', factor, ...LLAMA3 };
}
