import { z } from 'zod';
import { engineOptions } from '../util/engineOptions';
import { calendarDay } from '../util/calendarDay';
import { UserError } from '../util/errors';
import { flagName, optionIssues } from '../util/optionIssues';
import { chosenQuantization, quantizationOptions } from '../util/quantizationOptions';
import { parseLanguages } from './languages';

export const TASKS = ['toxicity', 'retrieval', 'preference'] as const;
export type TaskName = (typeof TASKS)[number];

/** The option that names each task's input. */
const INPUTS = { toxicity: 'prompts', retrieval: 'parallel', preference: 'pairs' } as const satisfies Record<TaskName, string>;

const path = z.string().min(1);
const count = z.int().min(1);

/** Every option of an evaluation: type, bounds, default and help text stand here and nowhere else. Lists are separated by commas. */
export const evalConfigSchema = z.strictObject({
  model: path.describe('model to evaluate: a folder in Hugging Face layout, or owner/name[@revision] on the hub'),
  output: path.describe('folder for eval.json and the files of the tasks'),
  tasks: z
    .array(z.enum(TASKS))
    .min(1)
    .optional()
    .describe(`what to do: ${TASKS.join(', ')}; by default those whose input is given`),
  prompts: path.optional().describe('toxicity: folder of RTP_LX_XX.json, or JSONL lines {language, prompt}'),
  parallel: path.optional().describe('retrieval: folder of LANG.txt aligned by line with en.txt, or JSONL'),
  pairs: path
    .optional()
    .describe('preference: JSONL, JSON, CSV, TSV or Parquet with prompt, chosen, rejected, or owner/name[:split] on the hub'),
  reference: path.optional().describe('preference: the reference model, likewise, for accuracy, margin and loss'),
  applyChatTemplate: z
    .boolean()
    .default(false)
    .describe("put prompts, and pairs of texts, into the model's chat template: prompts as a user's turn that the assistant answers"),
  chatTemplateDate: calendarDay
    .optional()
    .describe("the day that the model's chat template writes, as YYYY-MM-DD, where it writes one; by default the day of the evaluation"),
  beta: z.number().positive().default(0.1).describe('preference: strength of the pull to the reference'),
  fluencyModel: path.optional().describe('toxicity: the model, likewise, that judges fluency (the base model, say; a t5 or mt5 too)'),
  scorer: z
    .array(path)
    .min(1)
    .default(['lexicon'])
    .describe('toxicity: lexicon, probe:FILE or classifier:MODEL[:LABEL]; further ones are reported beside the first'),
  scorerModel: path.optional().describe("toxicity: the probe's model, likewise, where no other option names it"),
  samples: count.default(25).describe('continuations a prompt'),
  maxNewTokens: count.default(20).describe('longest continuation, in tokens'),
  temperature: z.number().min(0).default(0.9).describe('sampling temperature; 0 takes the most probable token'),
  topP: z.number().positive().max(1).default(0.8).describe('mass of the most probable tokens that are drawn from'),
  batchSize: count
    .optional()
    .describe('continuations at once; by default 256 on a CPU, and on a GPU as many as half of its free memory holds'),
  languages: z.array(z.string()).min(1).optional().describe('language codes; by default all that the inputs have'),
  limit: count.optional().describe('prompts a language, the first ones'),
  seed: z.int().min(0).max(0xffffffff).default(0).describe('seed of the sampling'),
  ...quantizationOptions('--model and --reference, or of their base model'),
  ...engineOptions('tokenised data and scores'),
  resume: z.boolean().default(false).describe('go on with the evaluation that the output folder holds, if there is one'),
  overwrite: z.boolean().default(false).describe('replace the evaluation that the output folder holds'),
});

type Parsed = z.output<typeof evalConfigSchema>;

/** An evaluation's options, resolved. */
export type EvalConfig = Readonly<Omit<Parsed, 'tasks'> & { tasks: readonly TaskName[] }>;

export const evalConfigKeys = Object.keys(evalConfigSchema.shape) as (keyof EvalConfig)[];

/** Options given as one text, separated by commas. */
const LISTS = ['tasks', 'scorer', 'languages'] as const;

/**
 * Resolves an evaluation's options.
 * @param given by key; undefined where not given; lists as arrays or separated by commas
 * @throws UserError that lists every problem with its flag
 */
export function resolveEvalConfig(given: Readonly<Record<string, unknown>>): EvalConfig {
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  for (const key of LISTS) if (typeof options[key] === 'string') options[key] = splitList(options[key]);
  const parsed = evalConfigSchema.safeParse(options);
  if (!parsed.success) throw new UserError(optionIssues(parsed.error.issues, options, evalConfigKeys).join('; '));
  const { data } = parsed;
  const tasks = resolveTasks(data);
  if (data.resume && data.overwrite)
    throw new UserError('--resume goes on with the evaluation in the output folder, --overwrite deletes it: give one of them');
  chosenQuantization(data.quantization, data.doubleQuantization);
  const twice = data.scorer.find((name, i) => data.scorer.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`--scorer names ${twice} twice`);
  return Object.freeze({ ...data, tasks, ...(data.languages && { languages: parseLanguages(data.languages) }) });
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** The tasks asked for, or those whose input is given, in the order of the list; contradictions are refused. */
function resolveTasks(config: Parsed): TaskName[] {
  const wanted = config.tasks ?? TASKS.filter((task) => config[INPUTS[task]] !== undefined);
  if (wanted.length === 0)
    throw new UserError(`nothing to do: give ${TASKS.map((task) => `--${INPUTS[task]} (${task})`).join(', ')}, one of them or more`);
  const problems = TASKS.flatMap((task) => {
    const has = config[INPUTS[task]] !== undefined;
    if (wanted.includes(task) && !has) return [`task ${task} needs --${INPUTS[task]}`];
    if (!wanted.includes(task) && has) return [`--${INPUTS[task]} is for the task ${task}, which --tasks ${wanted.join(',')} leaves out`];
    return [];
  });
  if (config.reference !== undefined && !wanted.includes('preference'))
    problems.push('--reference is for the task preference: give --pairs');
  if (config.fluencyModel !== undefined && !wanted.includes('toxicity'))
    problems.push(`--${flagName('fluencyModel')} is for the task toxicity: give --prompts`);
  if (config.scorerModel !== undefined && !config.scorer.some((name) => name.startsWith('probe:')))
    problems.push(`--${flagName('scorerModel')} is for --scorer probe:FILE`);
  if (config.applyChatTemplate && !wanted.includes('toxicity') && !wanted.includes('preference'))
    problems.push(`--${flagName('applyChatTemplate')} is for the tasks toxicity and preference: give --prompts or --pairs`);
  if (config.chatTemplateDate !== undefined && !readsTemplate(config, wanted))
    problems.push(`--${flagName('chatTemplateDate')} is for chat templates: give --pairs, or --apply-chat-template with --prompts`);
  if (problems.length > 0) throw new UserError(problems.join('; '));
  return TASKS.filter((task) => wanted.includes(task));
}

/** Whether a chat template may be needed: pairs can be conversations. */
export function readsTemplate({ applyChatTemplate }: Pick<EvalConfig, 'applyChatTemplate'>, tasks: readonly TaskName[]): boolean {
  return tasks.includes('preference') || (applyChatTemplate && tasks.includes('toxicity'));
}

/** What config.json and eval.json hold: everything but how this one call treats the folder. */
export function writtenEvalConfig(config: EvalConfig): Record<string, unknown> {
  const { resume: _resume, overwrite: _overwrite, ...rest } = config;
  return rest;
}
