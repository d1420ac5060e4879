import {
  fieldError,
  flag,
  optionalPositiveNumber,
  positiveInteger,
  positiveNumber,
  refuse,
  section,
  text,
  type ConfigSource,
} from '../configFields';
import type { Rotary, RotaryScaling } from './rotaryScaling';

/** What a config's rotary fields are read with. */
export interface RotaryDefaults {
  headWidth: number;
  /** max_position_embeddings */
  maxPositions: number;
  /** The base where none is given. */
  base?: number;
  /** The part of a head that turns where nothing is said. */
  part?: number;
  /** Whether a part other than all may turn. */
  partial?: boolean;
  /** Old top-level names of base and part. */
  names?: { base: string; part: string };
}

const TYPES = ['default', 'linear', 'dynamic', 'yarn', 'llama3'] as const;

/**
 * The rotary embedding of a config of any age: `rope_theta` with `rope_scaling` (its kind under `rope_type` or `type`), or all of it in
 * `rope_parameters`. As in transformers, `rope_scaling` wins where both are there.
 * @throws UserError naming the field
 */
export function rotaryFields(source: ConfigSource, defaults: RotaryDefaults): Rotary {
  const names = defaults.names ?? { base: 'rope_theta', part: 'partial_rotary_factor' };
  const scaling = section(source, 'rope_scaling');
  const inner = scaling && Object.keys(scaling.json).length > 0 ? scaling : section(source, 'rope_parameters');
  const base = positiveNumber(source, names.base, defaults.base ?? 10_000);
  const part = positiveNumber(source, names.part, defaults.part ?? 1);
  const rotary: Rotary = {
    base: inner ? positiveNumber(inner, 'rope_theta', base) : base,
    width: Math.trunc(defaults.headWidth * (inner ? positiveNumber(inner, 'partial_rotary_factor', part) : part)),
    scaling: inner ? scalingFields(source, inner, defaults.maxPositions) : { type: 'default' },
  };
  if (!defaults.partial && rotary.width !== defaults.headWidth) {
    const place = inner?.json.partial_rotary_factor !== undefined ? inner : source;
    throw fieldError(place, 'partial_rotary_factor', place.json.partial_rotary_factor, '1: this model turns whole heads');
  }
  if (rotary.width < 1 || 2 * Math.ceil(rotary.width / 2) > defaults.headWidth) {
    throw fieldError(source, 'head_dim', defaults.headWidth, `an even number, of which ${names.part} turns a part`);
  }
  if (rotary.scaling.type === 'dynamic' && rotary.width <= 2) {
    throw fieldError(source, 'head_dim', defaults.headWidth, 'wide enough for more than two values to turn with dynamic scaling');
  }
  return rotary;
}

function scalingFields(source: ConfigSource, inner: ConfigSource, maxPositions: number): RotaryScaling {
  refuse(inner, ['mrope_section']);
  const nested = ['full_attention', 'sliding_attention'].find((key) => key in inner.json);
  if (nested) throw fieldError(inner, nested, inner.json[nested], 'absent: all layers of this model turn alike');
  const type = text(inner, ['rope_type', 'type'], 'default');
  const factor = (): number => positiveNumber(inner, 'factor');
  // beside the section in some configs, and then transformers prefers it
  const trainedPositions = (): number =>
    positiveInteger(source, 'original_max_position_embeddings', positiveInteger(inner, 'original_max_position_embeddings', maxPositions));
  switch (type) {
    case 'default':
      return { type };
    case 'linear':
      return { type, factor: factor() };
    case 'dynamic':
      return { type, factor: factor(), trainedPositions: maxPositions };
    case 'yarn':
      return yarnFields(inner, trainedPositions(), maxPositions);
    case 'llama3': {
      const [low, high] = [positiveNumber(inner, 'low_freq_factor'), positiveNumber(inner, 'high_freq_factor')];
      if (high <= low) throw fieldError(inner, 'high_freq_factor', high, `more than low_freq_factor (${low})`);
      return { type, factor: factor(), trainedPositions: trainedPositions(), lowFrequencyFactor: low, highFrequencyFactor: high };
    }
    default:
      throw fieldError(inner, 'rope_type' in inner.json ? 'rope_type' : 'type', type, `one of ${TYPES.join(', ')}`);
  }
}

function yarnFields(inner: ConfigSource, trainedPositions: number, maxPositions: number): RotaryScaling {
  const factor = optionalPositiveNumber(inner, 'factor') ?? maxPositions / trainedPositions;
  // 0 is as good as absent, as transformers reads it
  const optional = (name: string): number | undefined => (inner.json[name] === 0 ? undefined : optionalPositiveNumber(inner, name));
  const [mscale, mscaleAll] = [optional('mscale'), optional('mscale_all_dim')];
  const magnitude = (scale: number): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const attentionFactor =
    optionalPositiveNumber(inner, 'attention_factor') ?? (mscale && mscaleAll ? magnitude(mscale) / magnitude(mscaleAll) : magnitude(1));
  const [betaFast, betaSlow] = [optional('beta_fast') ?? 32, optional('beta_slow') ?? 1];
  return { type: 'yarn', factor, trainedPositions, attentionFactor, betaFast, betaSlow, truncate: flag(inner, 'truncate', true) };
}

/**
 * The longest sequence that a model takes: max_position_embeddings, or what its scaling stretches that to where the config does not count
 * it in yet (vLLM computes it so).
 */
export function scaledContext({ scaling }: Rotary, maxPositions: number): number {
  if (scaling.type === 'linear' || scaling.type === 'dynamic') return Math.floor(maxPositions * Math.max(1, scaling.factor));
  if (scaling.type === 'yarn') return Math.max(maxPositions, Math.floor(scaling.trainedPositions * scaling.factor));
  return maxPositions;
}
