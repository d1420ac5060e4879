import { z } from 'zod';
import { UserError } from '../../util/errors';
import { readJson, writeAtomic } from '../../util/files';

const numbers = z.array(z.number());

const schema = z
  .object({
    version: z.literal(1),
    kind: z.literal('toxicity-probe'),
    /** The frozen model whose hidden states are read, by content hash (models/types.ts); the name is for people. */
    model: z.object({ name: z.string(), hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be a sha256 in hex') }),
    /** As transformers counts `hidden_states`: 0 is the embeddings. */
    layer: z.int().min(0),
    /** Mean over the tokens after the first, which is the start token (eval/pooledHidden.ts). */
    pooling: z.literal('mean-after-first'),
    width: z.int().min(1),
    mean: numbers,
    scale: z.array(z.number().positive()),
    weights: numbers,
    bias: z.number(),
    /** Languages that it may score; every language by default. */
    languages: z.array(z.string()).optional(),
    /** How it was trained and how well it does on what it did not see; nothing here changes a score. */
    training: z.record(z.string(), z.unknown()),
  })
  .superRefine((probe, context) => {
    for (const field of ['mean', 'scale', 'weights'] as const)
      if (probe[field].length !== probe.width)
        context.addIssue({ code: 'custom', path: [field], message: `has ${probe[field].length} numbers; width is ${probe.width}` });
  });

/** A probe's file: JSON. score = sigmoid(Σ weights · (x - mean) / scale + bias), x the pooled hidden state of a text. */
export type ProbeFile = z.infer<typeof schema>;

/** Reads a probe. @throws UserError naming the file and every field that is wrong */
export async function readProbe(path: string): Promise<ProbeFile> {
  const parsed = schema.safeParse(await readJson(path));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path: field, message }) => `${field.join('.') || 'the file'}: ${message}`);
  throw new UserError(`${path}: not a probe: ${issues.join('; ')}`);
}

/** Writes a probe, its numbers with 6 significant digits. Atomic. */
export async function writeProbe(path: string, probe: ProbeFile): Promise<void> {
  const short = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(6)));
  const rounded: ProbeFile = {
    ...probe,
    mean: short(probe.mean),
    scale: short(probe.scale),
    weights: short(probe.weights),
    bias: Number(probe.bias.toPrecision(6)),
  };
  // indented, but for the long lists of numbers
  const text = JSON.stringify(rounded, null, 1).replace(/\[[\s\d.,eE+-]+\]/g, (list) => list.replace(/\s+/g, ''));
  await writeAtomic(path, `${text}\n`);
}
