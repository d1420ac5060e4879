import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { decodeHTML } from 'entities';
import { UserError } from '../../util/errors';
import { fileError, readText } from '../../util/files';

/** A comment that people labelled. */
export interface LabelledText {
  /** Which collection it comes from: what is held out as a whole. */
  set: string;
  language: string;
  text: string;
  toxic: boolean;
}

type Row = Readonly<Record<string, string>>;

/** How one published collection is laid out. `toxic` gives null for rows to leave out. */
interface Layout {
  /** The files that make up the set, and the language of each. */
  files: Readonly<Record<string, string>>;
  delimiter: ',' | '\t';
  /** Columns of a file without a header line. */
  columns?: readonly string[];
  text: string;
  toxic(row: Row): boolean | null;
}

const hateful = (row: Row): boolean => row.label_gold === 'hateful';
const TOLD_LABELS = ['homophobia', 'obscene', 'insult', 'racism', 'misogyny', 'xenophobia'];

/** By the name of the folder that the set lies in. */
const LAYOUTS: Readonly<Record<string, Layout>> = {
  // Davidson et al. 2017: 0 hate, 1 offensive, 2 neither
  'davidson-en': { files: { 'labeled_data.csv': 'en' }, delimiter: ',', text: 'tweet', toxic: (row) => row.class !== '2' },
  'surge-toxicity-en': { files: { 'toxicity_en.csv': 'en' }, delimiter: ',', text: 'text', toxic: (row) => row.is_toxic === 'Toxic' },
  'wikipedia-comments-en': {
    files: { 'toxicity_nonfuzzed_testset.csv': 'en' },
    delimiter: ',',
    text: 'comment',
    toxic: (row) => row.toxic === 'True',
  },
  'hatecheck-en': { files: { 'test_suite_cases.csv': 'en' }, delimiter: ',', text: 'test_case', toxic: hateful },
  'germeval2018-de': {
    files: { 'germeval2018.training.txt': 'de' },
    delimiter: '\t',
    columns: ['text', 'coarse', 'fine'],
    text: 'text',
    toxic: (row) => row.coarse === 'OFFENSE',
  },
  // three annotators a tweet: toxic where two agree on a kind, not where none saw any
  'told-br-pt': {
    files: { 'ToLD-BR.csv': 'pt' },
    delimiter: ',',
    text: 'text',
    toxic: (row) => {
      const votes = Math.max(...TOLD_LABELS.map((label) => Number(row[label])));
      return votes >= 2 ? true : votes === 0 ? false : null;
    },
  },
  'cold-zh': { files: { 'train.csv': 'zh' }, delimiter: ',', text: 'TEXT', toxic: (row) => row.label === '1' },
  'beep-ko': { files: { 'train.tsv': 'ko' }, delimiter: '\t', text: 'comments', toxic: (row) => row.hate !== 'none' },
  'japanese-toxic-ja': {
    files: { 'subset.csv': 'ja' },
    delimiter: ',',
    text: 'text',
    toxic: (row) => {
      const votes = Number(row.Toxic) + Number(row['Very Toxic']);
      return votes * 2 >= Number(row.annotation_num) ? true : votes === 0 ? false : null;
    },
  },
  'multilingual-hatecheck': {
    files: Object.fromEntries(
      Object.entries({
        arabic: 'ar',
        dutch: 'nl',
        french: 'fr',
        german: 'de',
        hindi: 'hi',
        italian: 'it',
        mandarin: 'zh',
        polish: 'pl',
        portuguese: 'pt',
        spanish: 'es',
      }).map(([name, language]) => [`hatecheck_cases_final_${name}.csv`, language]),
    ),
    delimiter: ',',
    text: 'test_case',
    toxic: hateful,
  },
};

export const SET_NAMES = Object.keys(LAYOUTS);

/**
 * Reads the labelled sets that lie in a folder, each in a folder of its own name, as their authors publish them.
 * @throws UserError where none is there, or a file lacks what its layout says
 */
export async function readLabelledSets(folder: string): Promise<LabelledText[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileError(error, 'read', folder);
  });
  const present = names.filter((name) => Object.hasOwn(LAYOUTS, name));
  if (present.length === 0) throw new UserError(`${folder}: holds none of the labelled sets ${SET_NAMES.join(', ')}`);
  const texts: LabelledText[] = [];
  for (const set of present.sort()) {
    const layout = LAYOUTS[set];
    for (const [file, language] of Object.entries(layout.files)) {
      for (const row of await readRows(join(folder, set, file), layout)) {
        const toxic = layout.toxic(row);
        const text = clean(row[layout.text]);
        if (toxic !== null && text !== '') texts.push({ set, language, text, toxic });
      }
    }
  }
  return texts;
}

async function readRows(path: string, { delimiter, columns, text }: Layout): Promise<Row[]> {
  const options = delimiter === '\t' ? { delimiter, quote: null } : { delimiter };
  const source = (await readText(path)).replace(/\r\n/g, '\n');
  const rows: Row[] = parse(source, {
    ...options,
    columns: columns ? [...columns] : true,
    skip_empty_lines: true,
    relax_column_count: true,
  });
  if (rows.length === 0 || rows[0][text] === undefined)
    throw new UserError(`${path}: no column "${text}"; found: ${Object.keys(rows[0] ?? {}).join(', ')}`);
  return rows;
}

/** Without what only tells where a comment was written: retweet marks, names, links. */
function clean(text: string | undefined): string {
  return decodeHTML(text ?? '')
    .replace(/\bRT\b/g, ' ')
    .replace(/@\w+:?/g, ' ')
    .replace(/https?:\/\/\S+/g, ' ')
    .replace(/\|LBR\|/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}
