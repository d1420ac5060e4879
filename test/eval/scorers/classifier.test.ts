import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { classifierScores, parseClassifierName } from '../../../eval/scorers/classifier';
import { createScorer } from '../../../eval/scorers/createScorer';
import { disposeClassifier, loadClassifier } from '../../../models/classifiers/loadClassifier';
import { loadTokenizer } from '../../../models/tokenizer';
import { silent } from '../../../util/progress';
import { startTestEngine } from '../../models/testEngine';

const goldens = join(__dirname, '..', '..', 'goldens', 'classifiers');
const expected = (name: string) =>
  JSON.parse(readFileSync(join(goldens, name, 'expected.json'), 'utf8')) as { texts: string[]; scores: Record<string, number>[] };

const cacheFolder = mkdtempSync(join(tmpdir(), 'classifier-'));
beforeAll(() => startTestEngine());
afterAll(() => rmSync(cacheFolder, { recursive: true }));
const context = { candidates: [], cacheFolder, hub: { progress: silent, say: () => {} } };

/** The last of the golden's texts is longer than the models' 30 (RoBERTa: 28) tokens. */
test.each([
  ['bert', 'bert', 'toxic'],
  ['bert:non-toxic', 'bert', 'non-toxic'],
  ['bert-old-names', 'bert-old-names', 'toxic'],
  ['bert-old-names:Severe_Toxic', 'bert-old-names', 'severe_toxic'],
  ['distilbert', 'distilbert', 'LABEL_1'],
  ['roberta', 'roberta', 'LABEL_0'],
  ['xlm-roberta', 'xlm-roberta', 'toxicity'],
  ['xlm-roberta:obscene', 'xlm-roberta', 'obscene'],
])("classifier:%s scores as transformers' pipeline does", async (spec, name, label) => {
  const { texts, scores } = expected(name);
  const scorer = await createScorer(`classifier:${join(goldens, spec)}`, context);
  expect(scorer.name).toBe(`classifier:${name}:${label}`);
  expect([scorer.supports('en'), scorer.supports('xx')]).toEqual([true, true]);
  const before = tf.memory().numTensors;
  const seen: number[] = [];
  const found = await scorer.score(
    texts.map((text) => ({ language: 'en', text })),
    (done) => seen.push(done),
  );
  expect(tf.memory().numTensors).toBe(before);
  expect(seen.at(-1)).toBe(texts.length);
  found.forEach((score, i) => expect(score).toBeCloseTo(scores[i][label], 5));
});

test('a score does not depend on the texts beside it', async () => {
  const folder = join(goldens, 'xlm-roberta');
  const { texts, scores } = expected('xlm-roberta');
  const model = await loadClassifier(folder, { trainable: false, cacheFolder });
  const done: number[] = [];
  const found = await classifierScores(model, await loadTokenizer(folder), 1, texts, (count) => done.push(count), 30);
  expect(done.length).toBeGreaterThan(1);
  found.forEach((score, i) => expect(score).toBeCloseTo(scores[i].obscene, 5));
  disposeClassifier(model);
});

test('the revision depends on the label', async () => {
  const revision = async (label: string) => (await createScorer(`classifier:${join(goldens, 'bert')}:${label}`, context)).revision;
  expect(await revision('toxic')).toBe(await revision('TOXIC'));
  expect(await revision('toxic')).not.toBe(await revision('non-toxic'));
});

test('a label that is not there: the labels are listed', async () => {
  await expect(createScorer(`classifier:${join(goldens, 'bert')}:rude`, context)).rejects.toMatchObject({
    name: 'UserError',
    message: expect.stringMatching(/no label "rude"; its labels: non-toxic, toxic$/) as string,
  });
});

test.each([
  ['owner/name', { source: 'owner/name' }],
  ['owner/name:toxic', { source: 'owner/name', label: 'toxic' }],
  ['owner/name@v2:identity hate', { source: 'owner/name@v2', label: 'identity hate' }],
  [goldens, { source: goldens }],
])('%s', (text, parts) => {
  expect(parseClassifierName(text)).toEqual(parts);
});
