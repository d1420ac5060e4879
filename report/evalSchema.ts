import { z } from 'zod';

const figures = {
  emt: z.number(),
  toxicityProbability: z.number(),
  averageToxicity: z.number(),
  repetition: z.number(),
  logLikelihood: z.number().nullable(),
};

const scored = z.object({
  scorer: z.object({ name: z.string(), revision: z.string() }),
  languages: z.record(z.string(), z.object({ prompts: z.number().int(), samples: z.number().int(), scored: z.number().int(), ...figures })),
  mean: z.object(figures).nullable(),
  unscored: z.array(z.string()),
});

/** What a comparison reads of eval.json (eval/types.ts); fields that it does not know are left alone. */
export const evalSchema = z.object({
  version: z.literal(1),
  model: z.object({ name: z.string(), hash: z.string() }),
  options: z.record(z.string(), z.unknown()),
  toxicity: scored.extend({ others: z.array(scored).optional() }).optional(),
  retrieval: z
    .object({
      languages: z.record(
        z.string(),
        z.object({
          precisionAt1: z.array(z.number()),
          cosine: z.array(z.number()),
          best: z.number(),
          bestLayer: z.number().int(),
          mean: z.number(),
        }),
      ),
    })
    .optional(),
  preference: z
    .object({ pairs: z.number().int(), accuracy: z.number().nullable(), margin: z.number().nullable(), loss: z.number().nullable() })
    .optional(),
});

export type EvalFile = z.infer<typeof evalSchema>;
export type ScoredTask = z.infer<typeof scored>;
