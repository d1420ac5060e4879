import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rotaryFields, scaledContext } from '../../../models/parts/rotaryFields';
import { scaledFrequencies } from '../../../models/parts/rotaryScaling';
import { relativeError } from '../goldens';

interface Case {
  rope_parameters: Record<string, unknown> & { rope_type: string; rope_theta: number };
  length: number;
  frequencies: number[];
  factor: number;
}

const cases = JSON.parse(readFileSync(join(__dirname, '../../goldens/rotaryScaling.json'), 'utf8')) as Case[];
const read = (json: object, headWidth = 32, maxPositions = 16384) =>
  rotaryFields({ json: json as Record<string, unknown>, file: 'config.json' }, { headWidth, maxPositions });

test.each(cases)(
  'frequencies as transformers computes them: $rope_parameters, length $length',
  ({ rope_parameters, length, frequencies, factor }) => {
    const rotary = read({ rope_parameters });
    const ours = scaledFrequencies(rotary, length);
    const errors = frequencies.map((frequency, i) => relativeError([ours[i]], [frequency]));
    expect(errors.filter((error) => !(error < 1e-5))).toEqual([]);
    expect(rotary.scaling.type === 'yarn' ? rotary.scaling.attentionFactor : 1).toBeCloseTo(factor, 6);
  },
);

test.each(cases)('old spellings mean the same: $rope_parameters', ({ rope_parameters }) => {
  const now = read({ rope_parameters });
  const { rope_type, rope_theta, ...fields } = rope_parameters;
  expect(read({ rope_theta, rope_scaling: { type: rope_type, ...fields } })).toEqual(now);
  expect(read({ rope_theta, rope_scaling: { rope_type, ...fields }, rope_parameters: null })).toEqual(now);
  // transformers lets the old section win, and an empty one counts for nothing
  expect(read({ rope_parameters, rope_scaling: {} })).toEqual(now);
  expect(read({ rope_theta, rope_scaling: { type: rope_type, ...fields }, rope_parameters: { rope_type: 'linear', factor: 7 } })).toEqual(
    now,
  );
});

test('the trained length may stand beside the section, or be the whole context', () => {
  const yarn = { rope_type: 'yarn', factor: 4 };
  const length = (json: object) => (read(json).scaling as { trainedPositions: number }).trainedPositions;
  expect(length({ rope_parameters: { ...yarn, original_max_position_embeddings: 100 } })).toBe(100);
  expect(length({ original_max_position_embeddings: 50, rope_parameters: { ...yarn, original_max_position_embeddings: 100 } })).toBe(50);
  expect(length({ rope_parameters: yarn })).toBe(16384);
});

test('the context that scaling makes', () => {
  const context = (parameters: object) => scaledContext(read({ rope_parameters: parameters }, 32, 1000), 1000);
  expect(context({ rope_type: 'default' })).toBe(1000);
  expect(context({ rope_type: 'linear', factor: 2.5 })).toBe(2500);
  expect(context({ rope_type: 'dynamic', factor: 2 })).toBe(2000);
  expect(context({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 250 })).toBe(1000);
  expect(context({ rope_type: 'yarn', factor: 4 })).toBe(4000);
  expect(context({ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 100 })).toBe(
    1000,
  );
});

test.each<[object, RegExp]>([
  [
    { rope_scaling: { type: 'longrope', factor: 2 } },
    /config.json: rope_scaling.type is "longrope"; it must be one of default, linear, dynamic, yarn, llama3/,
  ],
  [{ rope_parameters: { rope_type: 'mrope' } }, /config.json: rope_parameters.rope_type is "mrope"/],
  [{ rope_parameters: { rope_type: 'linear' } }, /config.json: rope_parameters.factor is missing; it must be a number above 0/],
  [{ rope_scaling: { rope_type: 'default', mrope_section: [2, 3, 3] } }, /rope_scaling.mrope_section is \[2,3,3\]; it must be absent/],
  [{ rope_parameters: { full_attention: { rope_type: 'default' } } }, /rope_parameters.full_attention is .*; it must be absent/],
  [
    { rope_scaling: { type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 4 } },
    /high_freq_factor is 4; it must be more than low_freq_factor \(4\)/,
  ],
  [{ partial_rotary_factor: 0.5 }, /config.json: partial_rotary_factor is 0.5; it must be 1/],
  [{ rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }, /rope_parameters.partial_rotary_factor is 0.5; it must be 1/],
  [{ rope_theta: 0 }, /rope_theta is 0; it must be a number above 0/],
  [{ rope_scaling: 'linear' }, /rope_scaling is "linear"; it must be an object/],
])('refused: %j', (json, message) => {
  expect(() => read(json)).toThrow(message);
});
