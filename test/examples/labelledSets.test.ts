import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLabelledSets } from '../../examples/cross-lingual-detox/labelledSets';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'sets-'))));
afterAll(() => rm(folder, { recursive: true }));

async function set(name: string, file: string, text: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, file), text);
}

test("each set in its authors' layout; labels, languages, cleaning", async () => {
  await set(
    'davidson-en',
    'labeled_data.csv',
    ',count,class,tweet\n0,3,2,!!! RT @some_one: take &amp; give http://t.co/x\n1,3,0,"a ""b"""\n2,3,1,c\n',
  );
  await set('germeval2018-de', 'germeval2018.training.txt', '@x Sagt "ja\tOTHER\tOTHER\nDu |LBR| da\tOFFENSE\tABUSE\n');
  await set(
    'told-br-pt',
    'ToLD-BR.csv',
    'text,homophobia,obscene,insult,racism,misogyny,xenophobia\na,0.0,1.0,2.0,0.0,0.0,0.0\nb,0.0,1.0,1.0,0.0,0.0,0.0\nc,0.0,0.0,0.0,0.0,0.0,0.0\n',
  );
  await set('cold-zh', 'train.csv', '\ufeff,split,topic,label,TEXT\n1,train,race,1,甲\n2,train,race,0,乙\n');
  await set(
    'japanese-toxic-ja',
    'subset.csv',
    'id,text,Not Toxic,Hard to Say,Toxic,Very Toxic,annotation_num\n0,あ,2,0,0,1,3\n1,い,1,0,1,1,3\n2,う,3,0,0,0,3\n',
  );
  await set('notes', 'readme.txt', 'x');
  const read = await readLabelledSets(folder);
  expect(read.map(({ set: name, language, text, toxic }) => [name, language, text, toxic])).toEqual([
    ['cold-zh', 'zh', '甲', true],
    ['cold-zh', 'zh', '乙', false],
    ['davidson-en', 'en', '!!! take & give', false],
    ['davidson-en', 'en', 'a "b"', true],
    ['davidson-en', 'en', 'c', true],
    ['germeval2018-de', 'de', 'Sagt "ja', false],
    ['germeval2018-de', 'de', 'Du da', true],
    ['japanese-toxic-ja', 'ja', 'い', true],
    ['japanese-toxic-ja', 'ja', 'う', false],
    ['told-br-pt', 'pt', 'a', true],
    ['told-br-pt', 'pt', 'c', false],
  ]);
});

test('a file without its column, and a folder without sets', async () => {
  await set('surge-toxicity-en', 'toxicity_en.csv', 'comment,is_toxic\na,Toxic\n');
  await expect(readLabelledSets(folder)).rejects.toThrow(/toxicity_en\.csv: no column "text"; found: comment, is_toxic/);
  await expect(readLabelledSets(join(folder, 'notes'))).rejects.toThrow(/holds none of the labelled sets/);
});
