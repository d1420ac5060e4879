import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { readGenerations, readScores } from '../../eval/arrowFiles';
import { resolveEvalConfig } from '../../eval/evalConfig';
import { checkEvalFolder } from '../../eval/evalFolder';
import { conditionalLogLikelihoods } from '../../eval/conditionalFluency';
import { continuationLogLikelihoods } from '../../eval/fluency';
import { writeProbe, type ProbeFile } from '../../eval/scorers/probeFile';
import { runEval } from '../../eval/runEval';
import { createScorer } from '../../eval/scorers/createScorer';
import type { EvalResults } from '../../eval/types';
import { disposeModel, loadModel } from '../../models/loadModel';
import { disposeEncoderDecoder, loadEncoderDecoder } from '../../models/encoderDecoders/loadEncoderDecoder';
import { modelHash } from '../../models/modelHash';
import { loadTokenizer } from '../../models/tokenizer';
import { silent, type Progress } from '../../util/progress';
import { goldenModels } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';
import { goldenPairs, trainingGoldens } from '../trainer/trainingGolden';

const root = mkdtempSync(join(tmpdir(), 'dpo-eval-'));
const at = (...names: string[]): string => join(root, ...names);

beforeAll(async () => {
  await startTestEngine();
  for (const name of ['gpt2', 'gpt2-switched']) {
    cpSync(join(goldenModels, name), at(name), { recursive: true });
    cpSync(join(trainingGoldens, 'tokenizer_config.json'), at(name, 'tokenizer_config.json'));
    // half of the words are one that the English and Spanish lists hold, the other half is harmless
    const tokenizer = readFileSync(join(trainingGoldens, 'tokenizer.json'), 'utf8');
    writeFileSync(
      at(name, 'tokenizer.json'),
      tokenizer.replaceAll(/"w(7|15|17|23)"/g, '"bollocks$1"').replace('"bollocks17"', '"bollocks"'),
    );
  }
  // the same model with a chat template
  cpSync(at('gpt2'), at('chat'), { recursive: true });
  const template =
    "{% for message in messages %}{{ 'w2 ' if message.role == 'user' else 'w3 ' }}{{ message.content }} {% endfor %}{% if add_generation_prompt %}w3{% endif %}";
  writeFileSync(at('chat', 'chat_template.jinja'), template);
  const prompts = [
    { language: 'en', prompt: 'w2 w3 w4 w5' },
    { language: 'en', prompt: 'w9' },
    { language: 'en', prompt: 'w11 w12' },
    { language: 'id', prompt: 'w9 w8' },
  ];
  writeFileSync(at('prompts.jsonl'), prompts.map((line) => `${JSON.stringify(line)}\n`).join(''));
  writeFileSync(at('parallel.jsonl'), [2, 3, 4, 5].map((n) => `${JSON.stringify({ en: `w${n} w9`, fr: `w${n} w8 w3` })}\n`).join(''));
  writeFileSync(at('pairs.jsonl'), goldenPairs.evaluation.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const config = (output: string, more: Record<string, unknown> = {}) =>
  resolveEvalConfig({
    model: at('gpt2'),
    output: at(output),
    cache: at('cache'),
    prompts: at('prompts.jsonl'),
    fluencyModel: at('gpt2-switched'),
    samples: 6,
    maxNewTokens: 5,
    batchSize: 7,
    ...more,
  });

const run = async (output: string, more: Record<string, unknown> = {}, progress: Progress = silent): Promise<EvalResults> => {
  const options = config(output, more);
  await checkEvalFolder(options);
  return runEval(options, progress, () => {});
};

/** Stops a run as Ctrl-C would, at the n-th report of a stage. */
function stopAt(stage: string, reports: number): Progress {
  return (event) => {
    if (event.stage === stage && reports-- <= 0) throw new Error('stopped');
  };
}

test('a chat template goes around prompts and pairs', async () => {
  writeFileSync(at('plain-prompts.jsonl'), `${JSON.stringify({ language: 'en', prompt: 'w9' })}\n`);
  writeFileSync(at('chat-prompts.jsonl'), `${JSON.stringify({ language: 'en', prompt: 'w2 w9 w3' })}\n`);
  const texts = { prompt: 'w9 w8', chosen: 'w4', rejected: 'w5 w6' };
  const turns = {
    prompt: [{ role: 'user', content: texts.prompt }],
    chosen: [{ role: 'assistant', content: texts.chosen }],
    rejected: [{ role: 'assistant', content: texts.rejected }],
  };
  writeFileSync(at('texts.jsonl'), `${JSON.stringify(texts)}\n`);
  writeFileSync(at('turns.jsonl'), `${JSON.stringify(turns)}\n`);
  const same = { model: at('chat'), fluencyModel: at('chat'), temperature: 0, samples: 1 };
  const applied = { prompts: at('plain-prompts.jsonl'), pairs: at('texts.jsonl'), applyChatTemplate: true };
  const withFlag = await run('with-flag', { ...same, ...applied });
  const written = await run('written', { ...same, prompts: at('chat-prompts.jsonl'), pairs: at('turns.jsonl') });
  const texts1 = (await readGenerations(at('with-flag', 'generations.arrow'))).map(({ text }) => text);
  expect(texts1).toEqual((await readGenerations(at('written', 'generations.arrow'))).map(({ text }) => text));
  expect(withFlag.toxicity!.languages).toEqual(written.toxicity!.languages);
  expect(readFileSync(at('with-flag', 'preference.jsonl'), 'utf8')).toBe(readFileSync(at('written', 'preference.jsonl'), 'utf8'));
  const plain = await run('without-flag', { ...same, ...applied, applyChatTemplate: false });
  expect(plain.toxicity!.languages.en.logLikelihood).not.toBeCloseTo(withFlag.toxicity!.languages.en.logLikelihood!, 3);
  await expect(run('no-template', { ...applied })).rejects.toThrow(/gpt2: has no chat template/);
});

test("a chat template's date stays that of the evaluation's start", async () => {
  cpSync(at('chat'), at('dated'), { recursive: true });
  const file = at('dated', 'chat_template.jinja');
  writeFileSync(file, `w{{ strftime_now('%-d') }} ${readFileSync(file, 'utf8')}`);
  const applied = { model: at('dated'), fluencyModel: at('gpt2'), applyChatTemplate: true, pairs: at('pairs.jsonl') };
  const first = await run('dated-run', { ...applied, chatTemplateDate: '2020-02-05' });
  expect(first.options.chatTemplateDate).toBe('2020-02-05');
  expect(await run('dated-run', { ...applied, resume: true })).toEqual(first);
  await expect(run('dated-run', { ...applied, resume: true, chatTemplateDate: '2020-02-06' })).rejects.toThrow(
    /cannot go on with .*--chat-template-date was "2020-02-05" and is now "2020-02-06"/,
  );
  const other = await run('dated-other', { ...applied, chatTemplateDate: '2020-02-06' });
  expect(readFileSync(at('dated-other', 'preference.jsonl'), 'utf8')).not.toBe(readFileSync(at('dated-run', 'preference.jsonl'), 'utf8'));
  expect(other.preference!.pairs).toBe(first.preference!.pairs);
});

test('all three tasks: files and figures', async () => {
  const before = tf.memory().numTensors;
  const results = await run('all', { parallel: at('parallel.jsonl'), pairs: at('pairs.jsonl'), reference: at('gpt2-switched') });
  expect(tf.memory().numTensors).toBe(before);
  expect(readdirSync(at('all')).sort()).toEqual([
    ...['config.json', 'eval.json', 'generations.arrow', 'preference.jsonl', 'prompts.jsonl', 'scores.arrow'],
  ]);
  expect(JSON.parse(readFileSync(at('all', 'eval.json'), 'utf8'))).toEqual(results);
  expect(results).toMatchObject({ version: 1, model: { name: 'gpt2' }, options: { samples: 6, topP: 0.8 } });

  const generations = await readGenerations(at('all', 'generations.arrow'));
  expect(generations.map(({ language, promptIndex, sampleIndex }) => `${language}${promptIndex}${sampleIndex}`)).toEqual(
    ['en0', 'en1', 'en2', 'id0'].flatMap((prompt) => [0, 1, 2, 3, 4, 5].map((sample) => `${prompt}${sample}`)),
  );
  const scores = await readScores(at('all', 'scores.arrow'));
  // the lexicon has English words and no Indonesian ones
  scores.forEach(({ language, score }, i) =>
    expect(score).toBe(language === 'id' ? null : Number(/\bbollocks\b/.test(generations[i].text))),
  );
  const english = generations.map(({ text }, i) => ({ ...scores[i], text })).filter(({ language }) => language === 'en');
  const maxima = [0, 1, 2].map((prompt) => Math.max(...english.filter((row) => row.promptIndex === prompt).map(({ score }) => score!)));
  expect(new Set(english.map(({ score }) => score))).toEqual(new Set([0, 1]));
  expect(results.toxicity!.languages.en.emt).toBeCloseTo(maxima.reduce((sum, value) => sum + value, 0) / 3, 12);
  expect(results.toxicity!.unscored).toEqual(['id']);
  expect(Object.keys(results.retrieval!.languages)).toEqual(['fr']);
  expect(results.preference!.pairs).toBe(goldenPairs.evaluation.length);

  // fluency: the prompt's tokens and the sampled ones, under the other model
  const fluency = await loadModel(at('gpt2-switched'), { trainable: false });
  const [expected] = await continuationLogLikelihoods(fluency, [Int32Array.of(2, 3, 4, 5)], [generations[0].tokens]);
  disposeModel(fluency);
  expect(scores[0].logLikelihood).toBeCloseTo(expected!, 5);
});

test('further scorers stand beside the first', async () => {
  const width = 12;
  const probe: ProbeFile = {
    version: 1,
    kind: 'toxicity-probe',
    model: { name: 'gpt2-switched', hash: await modelHash(at('gpt2-switched'), at('cache')) },
    layer: 1,
    pooling: 'mean-after-first',
    width,
    mean: new Array<number>(width).fill(0),
    scale: new Array<number>(width).fill(1),
    weights: Array.from({ length: width }, (_, i) => Math.sin(i)),
    bias: 0,
    training: {},
  };
  await writeProbe(at('probe.json'), probe);
  const results = await run('two-scorers', { scorer: `probe:${at('probe.json')},lexicon`, limit: 1 });
  const { scorer, languages, others, unscored } = results.toxicity!;
  expect(scorer.name).toBe('probe:probe.json');
  expect(Object.keys(languages)).toEqual(['en', 'id']);
  expect(unscored).toEqual([]);
  expect(others).toHaveLength(1);
  expect(others![0]).toMatchObject({ scorer: { name: 'lexicon' }, unscored: ['id'] });
  const scores = await readScores(at('two-scorers', 'scores.arrow'));
  const hits = scores.flatMap(({ others: more }) => more!.lexicon ?? []);
  expect(hits).toHaveLength(6);
  expect(others![0].languages.en.averageToxicity).toBeCloseTo(hits.reduce((sum, hit) => sum + hit, 0) / 6, 12);
  scores.forEach(({ score }) => expect(score).toBeGreaterThan(0));
});

test('an encoder-decoder judges fluency: its decoder writes the continuation that its encoder read the prompt of', async () => {
  const folder = join(goldenModels, '..', 'encoderDecoders', 'mt5');
  const { toxicity } = await run('t5', { fluencyModel: folder, limit: 1 });
  const generations = await readGenerations(at('t5', 'generations.arrow'));
  const scores = await readScores(at('t5', 'scores.arrow'));
  const tokenizer = await loadTokenizer(folder);
  const model = await loadEncoderDecoder(folder, { cacheFolder: at('cache') });
  const prompts = generations.map(({ language }) => (language === 'en' ? 'w2 w3 w4 w5' : 'w9 w8'));
  const expected = await conditionalLogLikelihoods(
    model,
    // the end of the text is read, and none is written
    prompts.map((text) => Int32Array.from([...tokenizer.encode(text), 1])),
    generations.map(({ text }) => Int32Array.from(tokenizer.encode(text))),
  );
  disposeEncoderDecoder(model);
  expect(scores).toHaveLength(12);
  scores.forEach(({ logLikelihood }, i) => expect(logLikelihood).toBeCloseTo(expected[i]!, 5));
  expect(toxicity!.languages.en.logLikelihood).toBeCloseTo(expected.slice(0, 6).reduce<number>((sum, value) => sum + value!, 0) / 6, 5);
});

test('a classifier scores continuations', async () => {
  const folder = join(goldenModels, '..', 'classifiers', 'bert');
  const results = await run('classifier', { scorer: `classifier:${folder}`, limit: 1 });
  expect(results.toxicity!.scorer.name).toBe('classifier:bert:toxic');
  expect(results.toxicity!.unscored).toEqual([]);
  const generations = await readGenerations(at('classifier', 'generations.arrow'));
  const scorer = await createScorer(`classifier:${folder}`, {
    candidates: [],
    cacheFolder: at('cache'),
    hub: { progress: silent, say: () => {} },
  });
  const expected = await scorer.score(generations);
  const scores = (await readScores(at('classifier', 'scores.arrow'))).map(({ score }) => score);
  expect(scores).toHaveLength(12);
  scores.forEach((score, i) => expect(score).toBeCloseTo(expected[i]!, 5));
  expect(new Set(scores).size).toBeGreaterThan(3);
  await expect(run('clash', { scorer: [`classifier:${folder}`, `classifier:${folder}:toxic`] })).rejects.toThrow(
    /two that are both called classifier:bert:toxic/,
  );
});

describe('an interrupted run', () => {
  let whole: Buffer;
  let figures: EvalResults['toxicity'];
  beforeAll(async () => {
    figures = (await run('whole')).toxicity;
    whole = readFileSync(at('whole', 'generations.arrow'));
  });

  test('goes on where it stopped and ends alike', async () => {
    // the second of four batches is under way
    await expect(run('stopped', {}, stopAt('generating', 9))).rejects.toThrow('stopped');
    expect(readdirSync(at('stopped')).sort()).toEqual(['config.json', 'parts', 'prompts.jsonl']);
    expect(readdirSync(at('stopped', 'parts'))).toEqual(['0.arrow']);
    const done: number[] = [];
    // a resumed run may compute other batches: the seed decides, not the batch
    const results = await run(
      'stopped',
      { resume: true, batchSize: 5 },
      ({ stage, done: n }) => void (stage === 'generating' && done.push(n)),
    );
    expect(done[0]).toBe(6);
    expect(readFileSync(at('stopped', 'generations.arrow')).equals(whole)).toBe(true);
    expect(results.toxicity).toEqual(figures);
    expect(existsSync(at('stopped', 'parts'))).toBe(false);
  });

  test('after its continuations: they are read, not made again', async () => {
    await expect(run('scored', { cache: at('cache2') }, stopAt('fluency', 0))).rejects.toThrow('stopped');
    expect(readdirSync(at('scored')).sort()).toEqual(['config.json', 'generations.arrow', 'prompts.jsonl']);
    const stages = new Set<string>();
    const results = await run('scored', { cache: at('cache2'), resume: true }, ({ stage }) => void stages.add(stage));
    expect(stages.has('generating')).toBe(false);
    expect(results.toxicity).toEqual(figures);
    // all of it is there now: nothing is loaded
    stages.clear();
    expect((await run('scored', { cache: at('cache2'), resume: true }, ({ stage }) => void stages.add(stage))).toxicity).toEqual(figures);
    expect([...stages]).toEqual([]);
  });

  test.each<[Record<string, unknown>, RegExp]>([
    [{ model: at('chat'), applyChatTemplate: true }, /cannot go on with .*--apply-chat-template was false and is now true/],
    [{ samples: 7 }, /cannot go on with .*--samples was 6 and is now 7/],
    [{ seed: 1 }, /--seed was 0 and is now 1/],
    [{ limit: 1 }, /continued other prompts/],
    [{ model: at('gpt2-switched') }, /another model/],
  ])('%j is another run', async (options, message) => {
    const file = readFileSync(at('whole', 'eval.json'), 'utf8');
    await expect(run('whole', { resume: true, ...options })).rejects.toThrow(message);
    expect(readFileSync(at('whole', 'eval.json'), 'utf8')).toBe(file);
  });

  test('a folder that holds a run is refused, and overwritten when told', async () => {
    await expect(run('whole')).rejects.toThrow(/already holds an evaluation .*--resume .*--overwrite/);
    const other = await run('whole', { overwrite: true, seed: 5 });
    expect(readFileSync(at('whole', 'generations.arrow')).equals(whole)).toBe(false);
    expect(other.options.seed).toBe(5);
  });
});

test.each<[Record<string, unknown>, RegExp]>([
  [{ prompts: at('none.jsonl') }, /none\.jsonl: no such file/],
  [{ languages: 'fr' }, /no prompts in fr/],
  [{ model: at('none') }, /none.*no such file or folder/],
  [{ fluencyModel: at('none') }, /none.*no such file or folder/],
  [{ scorer: `classifier:${join(goldenModels, 'gpt2')}` }, /"gpt2": a language model; it must be a classifier/],
  [
    { fluencyModel: join(goldenModels, '..', 'classifiers', 'bert') },
    /"bert": a classifier, .*; it must be a language model, or an encoder-decoder/,
  ],
  [{ scorer: 'lexikon' }, /unknown scorer "lexikon"; did you mean "lexicon"/],
  [{ maxNewTokens: 30 }, /en, prompt 1 is too long: 4 tokens and --max-new-tokens 30, the model's context holds 32/],
])('%j is refused in one line', async (options, message) => {
  await expect(run('bad', options)).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) as string });
  expect(existsSync(at('bad'))).toBe(false);
});
