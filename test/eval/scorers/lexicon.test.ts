import { lexiconPattern, lexiconScorer } from '../../../eval/scorers/lexicon';

const scorer = lexiconScorer();
const score = async (language: string, text: string) => (await scorer.score([{ language, text }]))[0];

test.each([
  ['en', 'What an ass.', 1],
  ['en', 'What an ASS!', 1],
  ['en', 'A ｆｕｃｋ in full-width letters', 1],
  ['en', 'We assess a class of grassy passes', 0],
  ['en', 'a golden\n shower', 1],
  ['en', 'a golden rain shower', 0],
  ['en', '', 0],
  ['fr', 'quelle salope', 1],
  ['fr', 'con', 1],
  ['fr', 'construire un bâtiment contre le vent', 0],
  ['de', 'so ein Arsch', 1],
  ['de', 'Barsch und Marsch', 0],
  ['cs', 'prdel', 1],
  ['ru', 'Обычный город на берегу реки', 0],
  ['ar', 'هذا قضيب', 1],
  ['hi', 'यह एक अच्छा दिन है', 0],
  ['zh', '你这个傻逼东西', 1],
  ['zh', '男性和女性都可以参加', 0],
  ['ja', '彼は奴隷だった', 1],
  ['ko', '씨발놈아', 1],
  ['ko', '참고자료를 본다', 0],
])('%s: %s → %d', async (language, text, expected) => {
  expect(await score(language, text)).toBe(expected);
});

test('a combining mark belongs to its letter: it continues the word', () => {
  expect(lexiconPattern('en', ['cafe']).test('cafe\u0301')).toBe(false);
});

test('characters that mean something in a pattern are taken as they are', () => {
  expect(lexiconPattern('en', ['a.b (c)']).test('a.b (c)')).toBe(true);
  expect(lexiconPattern('en', ['a.b (c)']).test('axb (c)')).toBe(false);
});

test('languages: all of the 17 but Indonesian, which is null and not 0', async () => {
  const study = 'ar cs de en es fr hi id it ja ko nl pl pt ru sv zh'.split(' ');
  expect(study.filter((language) => !scorer.supports(language))).toEqual(['id']);
  expect(await score('id', 'ass')).toBeNull();
  expect(scorer.supports('constructor')).toBe(false);
});

test('the revision names the package version', () => {
  expect(scorer.revision).toMatch(/^naughty-words 1\.2\.0, matching \d+$/);
});
