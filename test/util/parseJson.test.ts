import { UserError } from '../../util/errors';
import { parseJson } from '../../util/files';

test('what a JSON text says, with the place of what is wrong', () => {
  expect(parseJson('{"a": [1, null]}', 'x.json')).toEqual({ a: [1, null] });
  expect(() => parseJson('{"a": }', 'x.json:7')).toThrow(UserError);
  expect(() => parseJson('{"a": }', 'x.json:7')).toThrow(/^x\.json:7: not valid JSON: /);
});

test('on one line, also where JavaScript quotes several', () => {
  const quoted = 'x{"a": 1}\n';
  expect(() => JSON.parse(quoted)).toThrow(/\n/);
  expect(() => parseJson(quoted, 'x.json')).toThrow(/^x\.json: not valid JSON: [^\n]+$/);
});
