import { checkLanguage, languageName, parseLanguages, STUDY_LANGUAGES } from '../../eval/languages';

test('the 17 languages', () => {
  expect(Object.keys(STUDY_LANGUAGES).join(' ')).toBe('ar cs de en es fr hi id it ja ko nl pl pt ru sv zh');
  for (const code of Object.keys(STUDY_LANGUAGES))
    expect(new Intl.DisplayNames(['en'], { type: 'language' }).of(code)).toBe(STUDY_LANGUAGES[code]);
});

test('other languages are known by name, invented ones are not', () => {
  expect(languageName('sw')).toBe('Swahili');
  expect(languageName('qx')).toBeUndefined();
  expect(languageName('not a code')).toBeUndefined();
});

test('a list is split, canonicalised, and keeps each language once', () => {
  expect(parseLanguages('fr, de,FR  zh')).toEqual(['fr', 'de', 'zh']);
  expect(parseLanguages(['ar', 'iw,deu'])).toEqual(['ar', 'he', 'de']);
});

test.each([
  ['french', /^--languages: unknown language code "french"; did you mean "fr"\? known: ar, cs, .*, zh, and every other ISO 639 code$/],
  ['fr,qx', /unknown language code "qx"; known: ar/],
  ['zh_CN', /unknown language code "zh_CN"/],
  ['', /no language given/],
])('refuses "%s"', (list, message) => {
  expect(() => parseLanguages(list)).toThrow(message);
});

test('the message says where', () => {
  expect(() => checkLanguage('xx', 'prompts.jsonl:3')).toThrow(/^prompts\.jsonl:3: unknown language code "xx"/);
});
