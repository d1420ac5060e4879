import { evalConfigKeys, resolveEvalConfig, writtenEvalConfig } from '../../eval/evalConfig';

const needed = { model: 'm', output: 'o', prompts: 'p' };

test("defaults are the paper's", () => {
  const config = resolveEvalConfig(needed);
  expect(config).toMatchObject({ samples: 25, maxNewTokens: 20, temperature: 0.9, topP: 0.8, scorer: ['lexicon'], tasks: ['toxicity'] });
  expect(config.languages).toBeUndefined();
  expect(writtenEvalConfig(config)).not.toHaveProperty('resume');
});

test('lists are split at commas; tasks follow the inputs', () => {
  const config = resolveEvalConfig({ ...needed, scorer: 'probe:a.json, lexicon', languages: 'fr,EN,deu', pairs: 'x.jsonl', parallel: 'y' });
  expect(config.scorer).toEqual(['probe:a.json', 'lexicon']);
  expect(config.languages).toEqual(['fr', 'en', 'de']);
  expect(config.tasks).toEqual(['toxicity', 'retrieval', 'preference']);
});

test.each<[Record<string, unknown>, string | RegExp]>([
  [{ samples: 0 }, '--samples is 0: must be at least 1'],
  [{ samples: 2.5 }, '--samples is 2.5: must be a whole number'],
  [{ samples: Number.NaN }, '--samples is not a number: must be a number'],
  [{ topP: 1.2, temperature: -1 }, '--temperature is -1: must be at least 0; --top-p is 1.2: must be at most 1'],
  [{ topP: 0 }, '--top-p is 0: must be more than 0'],
  [{ languages: 'en,gr' }, /--languages: unknown language code "gr"; did you mean/],
  [{ languages: ',' }, /--languages/],
  [{ tasks: 'toxicity,retreival' }, '--tasks is "retreival": allowed: toxicity, retrieval, preference; did you mean retrieval?'],
  [{ tasks: 'toxicity,retrieval' }, 'task retrieval needs --parallel'],
  [{ tasks: 'preference' }, '--prompts is for the task toxicity, which --tasks preference leaves out; task preference needs --pairs'],
  [{ prompts: undefined }, 'nothing to do: give --prompts (toxicity), --parallel (retrieval), --pairs (preference), one of them or more'],
  [{ reference: 'r' }, '--reference is for the task preference: give --pairs'],
  [{ prompts: undefined, parallel: 'x', fluencyModel: 'f' }, '--fluency-model is for the task toxicity: give --prompts'],
  [
    { prompts: undefined, parallel: 'x', applyChatTemplate: true },
    '--apply-chat-template is for the tasks toxicity and preference: give --prompts or --pairs',
  ],
  [{ chatTemplateDate: '2026-11-26' }, '--chat-template-date is for chat templates: give --pairs, or --apply-chat-template with --prompts'],
  [{ applyChatTemplate: true, chatTemplateDate: '2026-02-30' }, '--chat-template-date is "2026-02-30": must be a day such as 2026-11-26'],
  [{ scorerModel: 's' }, '--scorer-model is for --scorer probe:FILE'],
  [{ scorer: 'lexicon,lexicon' }, '--scorer names lexicon twice'],
  [{ model: undefined, output: undefined }, '--model is missing; --output is missing'],
  [{ toppP: 0.5 }, '--topp-p: unknown option; did you mean top-p?'],
  [{ device: 'gpu' }, '--device is "gpu": allowed: auto, cpu, cuda, cuda:N'],
  [{ resume: true, overwrite: true }, /--resume .*--overwrite/],
])('%j is refused', (options, message) => {
  expect(() => resolveEvalConfig({ ...needed, ...options })).toThrow(message);
});

test('every option of the command is there', () => {
  for (const key of ['model', 'reference', 'fluencyModel', 'tasks', 'prompts', 'parallel', 'pairs', 'scorer', 'samples', 'maxNewTokens']) {
    expect(evalConfigKeys).toContain(key);
  }
});
