import { chooseConvertedFiles, chooseSplitFiles } from '../../datasets/chooseSplitFiles';

const choose = (paths: string[], split: string, card?: unknown, config?: string): string[] =>
  chooseSplitFiles(paths, card, { name: 'o/n', split, ...(config !== undefined && { config }) });

test('without a card: shards in data/, then names of files, then of folders, else all are train', () => {
  const shards = ['data/train-00001-of-00002.parquet', 'data/train-00000-of-00002.parquet', 'data/test_prefs-00000-of-00001.parquet'];
  expect(choose([...shards, 'test.csv'], 'train')).toEqual(['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet']);
  expect(choose(shards, 'test_prefs')).toEqual(['data/test_prefs-00000-of-00001.parquet']);
  expect(choose(['my-train.csv', 'dev.jsonl', 'README.md'], 'validation')).toEqual(['dev.jsonl']);
  expect(choose(['evaluation/a.csv', 'training/b.csv'], 'test')).toEqual(['evaluation/a.csv']);
  expect(choose(['b.csv', 'a.csv'], 'train')).toEqual(['a.csv', 'b.csv']);
  expect(choose(['contested.csv'], 'train')).toEqual(['contested.csv']);
});

test("the card's configs: patterns, folders, the default one", () => {
  const card = {
    configs: [
      { config_name: 'en', data_files: [{ split: 'train', path: 'en/*.parquet' }], default: true },
      { config_name: 'de', data_files: { train: 'de/a.csv', test: ['de/b.csv', 'de/c.csv'] } },
      { config_name: 'fr', data_dir: 'fr' },
    ],
  };
  const paths = ['en/0.parquet', 'en/1.parquet', 'de/a.csv', 'de/b.csv', 'de/c.csv', 'fr/train.csv', 'fr/test.csv'];
  expect(choose(paths, 'train', card)).toEqual(['en/0.parquet', 'en/1.parquet']);
  expect(choose(paths, 'test', card, 'de')).toEqual(['de/b.csv', 'de/c.csv']);
  expect(choose(paths, 'test', card, 'fr')).toEqual(['fr/test.csv']);
  expect(choose(['a.csv'], 'train', { configs: [{ data_files: '*.csv' }] })).toEqual(['a.csv']);
});

test("the hub's Parquet copy", () => {
  const paths = ['a/train/0000.parquet', 'a/partial-test/0000.parquet', 'b/train/0001.parquet', 'b/train/0000.parquet'];
  expect(chooseConvertedFiles(paths, { name: 'o/n', config: 'b', split: 'train' })).toEqual([
    'b/train/0000.parquet',
    'b/train/0001.parquet',
  ]);
  expect(chooseConvertedFiles(paths, { name: 'o/n', config: 'a', split: 'test' })).toEqual(['a/partial-test/0000.parquet']);
  expect(() => chooseConvertedFiles(paths, { name: 'o/n', split: 'train' })).toThrow(
    'o/n has several configurations: ask for o/n:CONFIG/train, CONFIG being one of a, b',
  );
});

test('what is not there is named beside what is', () => {
  expect(() => choose(['train.csv', 'test.csv'], 'validation')).toThrow('o/n has no split "validation" (there are: train, test)');
  expect(() => choose(['README.md'], 'train')).toThrow('o/n holds no data files in Parquet, JSON, CSV or TSV');
  const card = { configs: [{ config_name: 'english' }, { config_name: 'german' }] };
  expect(() => choose(['a.csv'], 'train', card, 'englsh')).toThrow(
    'o/n has no configuration "englsh"; did you mean english? (there are: english, german)',
  );
  expect(() => choose(['a.csv'], 'train', undefined, 'en')).toThrow('o/n has no configurations to choose from; ask for o/n:train');
});
