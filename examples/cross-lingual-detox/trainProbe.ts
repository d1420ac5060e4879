#!/usr/bin/env node
import { join } from 'node:path';
import yargs from 'yargs';
import { cliProgress, print, runCli } from '../../bin/cli';
import { engineLine } from '../../engine/engine';
import { ENGINES, startEngine } from '../../engine/startEngine';
import { auc } from '../../eval/metrics/auc';
import { pooledHidden, textSequences } from '../../eval/pooledHidden';
import { writeProbe } from '../../eval/scorers/probeFile';
import { applyProbe, trainProbe, type LinearProbe } from '../../eval/scorers/trainProbe';
import { loadModel } from '../../models/loadModel';
import { loadTokenizer } from '../../models/tokenizer';
import { permutation, randomStream, seedFrom } from '../../util/random';
import { readLabelledSets, type LabelledText } from './labelledSets';

/*
 * Trains the toxicity probe that the demo scores with:
 *   npm run build && node dist/examples/cross-lingual-detox/trainProbe.js --model DIR --data DIR --output probe.json
 * DIR of --data holds the labelled sets, each in a folder of its own name (labelledSets.ts). The file written says how well the
 * probe does on what it did not see: on a fifth of each set held out, on each set left out whole, on each language left out whole.
 */

interface Examples {
  texts: LabelledText[];
  /** [N, D] */
  features: Float32Array;
  width: number;
}

/** The same number of toxic and other texts from each set and language, at most `most` in all, in a seeded order. */
function balancedSample(texts: readonly LabelledText[], most: number, seed: number): LabelledText[] {
  const groups = new Map<string, LabelledText[][]>();
  const seen = new Set<string>();
  for (const text of texts) {
    // a text that stands twice could be in training and test
    if (seen.has(text.text)) continue;
    seen.add(text.text);
    const key = `${text.set} ${text.language}`;
    const group = groups.get(key) ?? [[], []];
    groups.set(key, group);
    group[Number(text.toxic)].push(text);
  }
  return [...groups].flatMap(([key, sides]) => {
    const count = Math.min(Math.floor(most / 2), ...sides.map((side) => side.length));
    return sides.flatMap((side, toxic) =>
      permutation(side.length, randomStream(seedFrom(seed, key, toxic)))
        .slice(0, count)
        .map((i) => side[i]),
    );
  });
}

function select({ texts, features, width }: Examples, keep: (text: LabelledText, index: number) => boolean): Examples {
  const rows = texts.map((_, i) => i).filter((i) => keep(texts[i], i));
  const chosen = new Float32Array(rows.length * width);
  rows.forEach((row, n) => chosen.set(features.subarray(row * width, (row + 1) * width), n * width));
  return { texts: rows.map((row) => texts[row]), features: chosen, width };
}

const fit = ({ texts, features }: Examples, c: number): Promise<LinearProbe> =>
  trainProbe(
    features,
    texts.map(({ toxic }) => toxic),
    { c, tolerance: 1e-5 },
  );

function aucOf(probe: LinearProbe, { texts, features }: Examples): number {
  const value = auc(
    applyProbe(probe, features),
    texts.map(({ toxic }) => toxic),
  );
  return Number(value.toFixed(3));
}

const names = (texts: readonly LabelledText[], field: (text: LabelledText) => string): string[] => [...new Set(texts.map(field))].sort();
const setOf = ({ set, language }: LabelledText): string => (set === 'multilingual-hatecheck' ? `${set} ${language}` : set);

/** AUC by group: of a probe trained without the group (`without` says what else to leave out with it). */
async function leftOut(
  examples: Examples,
  c: number,
  group: (text: LabelledText) => string,
  without: (text: LabelledText) => string,
): Promise<Record<string, number>> {
  const result: Record<string, number> = {};
  for (const out of names(examples.texts, without)) {
    const probe = await fit(
      select(examples, (text) => without(text) !== out),
      c,
    );
    const unseen = select(examples, (text) => without(text) === out);
    for (const name of names(unseen.texts, group))
      result[name] = aucOf(
        probe,
        select(unseen, (text) => group(text) === name),
      );
  }
  return result;
}

async function main(): Promise<void> {
  const argv = await yargs(process.argv.slice(2))
    .options({
      model: { type: 'string', demandOption: true, describe: 'model folder whose hidden states are read' },
      name: { type: 'string', default: 'gemma3-270m', describe: "the model's name in the probe's file" },
      data: { type: 'string', demandOption: true, describe: 'folder of labelled sets' },
      output: { type: 'string', default: join('examples', 'cross-lingual-detox', 'probe-gemma3-270m.json') },
      layer: { type: 'number', default: 9, describe: 'hidden state to read' },
      c: { type: 'number', default: 0.003, describe: 'inverse strength of the L2 penalty' },
      'set-size': { type: 'number', default: 240, describe: 'texts taken of each set and language, at most' },
      'max-tokens': { type: 'number', default: 48, describe: 'tokens read of each text' },
      seed: { type: 'number', default: 0 },
      engine: { choices: ENGINES, default: 'auto' as const },
      device: { type: 'string', default: 'auto' },
    })
    .strict()
    .parse();
  print(engineLine(await startEngine({ engine: argv.engine, device: argv.device, precision: 'float32' })));
  const texts = balancedSample(await readLabelledSets(argv.data), argv['set-size'], argv.seed);
  const { progress, stop } = cliProgress();
  const model = await loadModel(argv.model, { trainable: false }, progress);
  const sequences = textSequences(
    await loadTokenizer(argv.model),
    texts.map(({ text }) => text),
    argv['max-tokens'],
  );
  const [features] = await pooledHidden(model, sequences, [argv.layer], progress);
  stop();
  const examples = select({ texts, features, width: model.config.width }, (_, i) => sequences[i].length > 1);
  const order = permutation(examples.texts.length, randomStream(seedFrom(argv.seed, 'held out')));
  const heldOut = new Set(order.slice(0, Math.floor(order.length / 5)));
  const seen = select(examples, (_, i) => !heldOut.has(i));
  const unseen = select(examples, (_, i) => heldOut.has(i));
  const split = await fit(seen, argv.c);
  const heldOutFifth = Object.fromEntries(
    names(examples.texts, setOf).map((set) => [
      set,
      aucOf(
        split,
        select(unseen, (text) => setOf(text) === set),
      ),
    ]),
  );
  const training = {
    date: new Date().toISOString().slice(0, 10),
    c: argv.c,
    seed: argv.seed,
    setSize: argv['set-size'],
    maxTokens: argv['max-tokens'],
    texts: Object.fromEntries(
      names(examples.texts, setOf).map((set) => [set, examples.texts.filter((text) => setOf(text) === set).length]),
    ),
    auc: {
      heldOutFifth,
      setLeftOut: await leftOut(examples, argv.c, setOf, ({ set }) => set),
      languageLeftOut: await leftOut(
        examples,
        argv.c,
        ({ language }) => language,
        ({ language }) => language,
      ),
    },
  };
  const probe = await fit(examples, argv.c);
  await writeProbe(argv.output, {
    version: 1,
    kind: 'toxicity-probe',
    model: { name: argv.name, hash: model.contentHash },
    layer: argv.layer,
    pooling: 'mean-after-first',
    width: model.config.width,
    mean: [...probe.mean],
    scale: [...probe.scale],
    weights: [...probe.weights],
    bias: probe.bias,
    training,
  });
  print(JSON.stringify(training, null, 1));
  print(argv.output);
}

runCli(main);
