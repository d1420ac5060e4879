/** A script of bench/ours or bench/peers with its options. */
export interface Program {
  label: string;
  /** Name without folder and ending. */
  script: string;
  options: Readonly<Record<string, unknown>>;
}

/** One row of a table: the same work by us and by peers. */
export interface Comparison {
  title: string;
  ours: Program;
  peers: readonly Program[];
  /** Why there is nothing to run. */
  missing?: string;
}

export const GROUPS = ['step', 'generation', 'logprobs', 'attention', 'optimizer', 'import', 'gemma', 'profile'] as const;
export type Group = (typeof GROUPS)[number];

export interface SuiteOptions {
  gpu: boolean;
  quick: boolean;
  /** Torch's name of the device. */
  device: string;
  /** The file of pairs, written before. */
  pairs: string;
  /** A GGUF file to import, if there is one. */
  gguf?: string | undefined;
  /** A folder of Gemma 3 270M, if there is one, and a file of ParaDetox's pairs as texts, written before. */
  model?: string | undefined;
  texts?: string | undefined;
}

interface Shape {
  name: string;
  layers: number;
  width: number;
  heads: number;
  vocabulary: number;
  positions: number;
}

const TINY: Shape = { name: 'tiny', layers: 2, width: 64, heads: 2, vocabulary: 500, positions: 256 };
const SMALL: Shape = { name: 'GPT-2 of 10 M', layers: 6, width: 256, heads: 4, vocabulary: 16000, positions: 2048 };
const GPT2: Shape = { name: 'GPT-2 small, 124 M', layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024 };
const MGPT: Shape = { name: 'mGPT, 1.4 B', layers: 24, width: 2048, heads: 16, vocabulary: 100000, positions: 2048 };

/** Pairs that the largest step takes. */
export const PAIRS_NEEDED = 1024;

type Base = Readonly<Record<string, unknown>>;

function compared(
  title: string,
  script: string,
  options: Base,
  peers: readonly (readonly [label: string, extra?: Base])[],
  peerScript = script,
): Comparison {
  return {
    title,
    ours: { label: 'dpo-trainer', script, options },
    peers: peers.map(([label, extra]) => ({ label, script: peerScript, options: { ...options, ...extra } })),
  };
}

/** What one group compares on a device. `profile` has no peer. */
export function comparisons(group: Group, { gpu, quick, device, pairs, gguf, model, texts }: SuiteOptions): Comparison[] {
  const shapeOptions = ({ name: _name, ...shape }: Shape): Base => ({ device, precision: gpu ? 'bf16' : 'float32', pairs, ...shape });
  const runs = quick ? { runs: 3, warmup: 1 } : { runs: gpu ? 20 : 10, warmup: 3 };
  // pieces of some milliseconds
  const many = quick ? runs : { runs: 40, warmup: 5 };
  const few = quick ? { runs: 2, warmup: 1 } : { runs: 4, warmup: 1 };
  const main = quick ? TINY : gpu ? MGPT : SMALL;
  const batch = quick ? 2 : gpu ? 32 : 8;
  switch (group) {
    case 'step': {
      const cases: [Shape, number][] = quick
        ? [[TINY, 2]]
        : gpu
          ? [
              [GPT2, 4],
              [MGPT, 4],
              [MGPT, 32],
            ]
          : [[SMALL, 4]];
      return cases.flatMap(([shape, size]) => {
        const row = (how: string, own: Base, peers: Parameters<typeof compared>[3]): Comparison =>
          compared(
            `${shape.name}, ${size} pairs, ${how}`,
            'dpoStep',
            { ...shapeOptions(shape), batch: size, ...own, ...runs },
            peers,
            'trlStep',
          );
        return [
          // the peer has no such thing, and does what it does
          ...(gpu ? [row('reference known, CUDA graphs', { precompute: true, graphs: true }, [['TRL']])] : []),
          row('reference known', { precompute: true }, [['TRL']]),
          row('reference computed in the step', { precompute: false }, [['TRL'], ['TRL with Liger', { liger: true }]]),
        ];
      });
    }
    case 'generation': {
      const row = (shape: Shape, size: { prompts: number; samples: number; tokens: number }, times: Base): Comparison =>
        compared(
          `${shape.name}, ${size.prompts} prompts × ${size.samples} samples × ${size.tokens} tokens, top-p 0.8`,
          'generation',
          { ...shapeOptions(shape), ...size, ...times },
          [['transformers']],
        );
      if (quick) return [row(TINY, { prompts: 2, samples: 2, tokens: 4 }, few)];
      const whole = { prompts: 512, samples: 10, tokens: 20 };
      if (!gpu) return [row(SMALL, { prompts: 16, samples: 8, tokens: 20 }, few), row(SMALL, whole, { runs: 1, warmup: 0 })];
      const once = { runs: 2, warmup: 1 };
      // a language of the toxicity protocol's 17
      const language = compared(
        `${MGPT.name}, 1000 prompts × 25 samples × 20 tokens, top-p 0.8`,
        'generation',
        { ...shapeOptions(MGPT), prompts: 1000, samples: 25, tokens: 20, runs: 1, warmup: 1 },
        [],
      );
      return [row(GPT2, whole, once), row(MGPT, whole, once), language];
    }
    case 'logprobs': {
      const rows = quick ? 16 : gpu ? 2048 : 256;
      return [
        compared(
          `${rows} tokens, ${main.vocabulary} words, ${main.width} wide, with gradients`,
          'tensorOps',
          { ...shapeOptions(main), op: 'logProbs', rows, ...many },
          [['PyTorch']],
        ),
      ];
    }
    case 'attention':
      return [
        compared(
          `${batch} pairs, ${main.heads} heads, ${main.width / main.heads} wide, with gradients`,
          'tensorOps',
          { ...shapeOptions(main), op: 'attention', batch, ...many },
          [['PyTorch, padded']],
        ),
      ];
    case 'optimizer':
      return [
        compared(`${main.name}: clipping and RMSProp`, 'tensorOps', { ...shapeOptions(main), op: 'optimizer', ...many }, [
          ['PyTorch, foreach'],
        ]),
      ];
    case 'import': {
      const options = { device: 'cpu', gguf, runs: quick ? 1 : 2, warmup: 0 };
      const title = gguf === undefined ? 'a GGUF file' : `${gguf.replace(/.*[\\/]/, '')} to a folder in float32`;
      return [
        {
          ...compared(title, 'importModel', options, [['transformers']]),
          ...(gguf === undefined && { missing: 'no GGUF file: `npm run demo` fetches one, or name one with --gguf' }),
        },
      ];
    }
    case 'gemma': {
      // a step of TRL's takes half a minute on two cores
      const options = { ...shapeOptions(TINY), model, texts, batch: 8, precompute: true, ...(gpu ? runs : { runs: 3, warmup: 1 }) };
      return [
        {
          ...compared('Gemma 3 270M, 8 pairs of ParaDetox, reference known', 'dpoStep', options, [['TRL']], 'trlStep'),
          ...(model === undefined && { missing: 'no folder of Gemma 3 270M: `npm run demo` makes one, or name one with --model' }),
        },
      ];
    }
    case 'profile': {
      const size = quick ? 2 : gpu ? 32 : 4;
      return [compared(`${main.name}, ${size} pairs, reference known`, 'profileStep', { ...shapeOptions(main), batch: size, ...runs }, [])];
    }
  }
}
