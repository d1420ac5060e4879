import { startEngine } from '../../engine/startEngine';
import { pooledHidden, textSequences } from '../../eval/pooledHidden';
import { layerFigures, retrievalTask, unitRows } from '../../eval/retrieval';
import { letters, tinyModel } from './tinyModel';

beforeAll(() => startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' }));

test('unit rows; a row without values is near nothing', () => {
  expect([...unitRows(Float32Array.of(3, 4, 0, 0, NaN, NaN), 2)]).toEqual([expect.closeTo(0.6, 6), expect.closeTo(0.8, 6), 0, 0, 0, 0]);
});

test('worked by hand: three pairs, precision differs by direction', async () => {
  const a = unitRows(Float32Array.of(1, 0, 0, 1, 1, 1), 2);
  const b = unitRows(Float32Array.of(1, 0.1, 1, 0.9, 0, 1), 2);
  // a to b: (1,0) finds (1,.1); (0,1) finds (0,1), the third; (1,1) finds (1,.9), the second: 1 of 3
  // b to a: (1,.1) finds (1,0); (1,.9) finds (1,1), the third; (0,1) finds (0,1), the second: 1 of 3
  const { precisionAt1, cosine } = await layerFigures(a, b, 3);
  expect(precisionAt1).toBeCloseTo(1 / 3, 12);
  expect(cosine).toBeCloseTo((1 / Math.hypot(1, 0.1) + 0.9 / Math.hypot(1, 0.9) + Math.SQRT1_2) / 3, 6);

  // forwards all of b's rows are told apart, backwards one hub of a is nearest to all: 3 of 3 and 1 of 3
  const hub = await layerFigures(
    unitRows(Float32Array.of(1, 0, 1, -1.2, 1, 1.2), 2),
    unitRows(Float32Array.of(1, 0, 1, -0.3, 1, 0.3), 2),
    3,
  );
  expect(hub.precisionAt1).toBeCloseTo((3 + 1) / 6, 12);
});

test('a language that repeats English is found everywhere; one in reverse order nowhere', async () => {
  const model = tinyModel('gemma3');
  const en = ['abc', 'bde', 'fghij', 'kk'];
  const figures = await retrievalTask(model, letters, { languages: { en, fr: [...en], de: [...en].reverse() } });
  expect(Object.keys(figures)).toEqual(['fr', 'de']);
  expect(figures.fr.precisionAt1).toEqual([1, 1, 1, 1]);
  figures.fr.cosine.forEach((value) => expect(value).toBeCloseTo(1, 5));
  expect([figures.fr.best, figures.fr.bestLayer, figures.fr.mean]).toEqual([1, 0, 1]);
  expect(figures.de.precisionAt1).toEqual([0, 0, 0, 0]);
});

test('each layer is its own hidden state', async () => {
  const model = tinyModel('gpt2');
  const en = ['abc', 'bde', 'fgh'];
  const fr = ['abd', 'xde', 'fah'];
  const figures = await retrievalTask(model, letters, { languages: { en, fr } });
  for (const layer of [0, 2]) {
    const [[a], [b]] = await Promise.all([en, fr].map((texts) => pooledHidden(model, textSequences(letters, texts, 40), [layer])));
    const expected = await layerFigures(unitRows(a, 8), unitRows(b, 8), 3);
    expect(figures.fr.cosine[layer]).toBeCloseTo(expected.cosine, 6);
    expect(figures.fr.precisionAt1[layer]).toBe(expected.precisionAt1);
  }
  expect(figures.fr.cosine).toHaveLength(4);
  expect(figures.fr.mean).toBeCloseTo(figures.fr.precisionAt1.reduce((sum, value) => sum + value) / 4, 12);
});
